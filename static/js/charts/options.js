/** The options with which uPlot draws a chart of lines, bars or dots. */

/** @import { Axis, Chart, Series } from "./values.js" */

import { drawAreas, drawDots, drawReferences } from "./marks.js";
import { tick } from "./values.js";

const TICK_SPACE = 62; // pixels for the label of a category or a day
const LABEL = 26; // pixels for the label of a value
const DAYS = [1, 2, 7, 14, 28, 56, 112, 182, 364, 728];
const WHOLE = [1, 2, 5].flatMap((factor) => [...Array(10).keys()].map((n) => factor * 10 ** n));
WHOLE.sort((one, other) => one - other);
const WIDTHS = { thin: 1.5, thick: 2.5, pale: 1, dashed: 1.5, small: 0 };

/** @typedef {(name: string) => string} Colours */

/** Return the columns that uPlot draws: one of x, and one of each series. @param {Chart} chart */
export function columns(chart) {
  if (chart.kind === "lines") {
    const high = chart.x.high ?? 1;
    return uPlot.join(
      chart.series.map((one) => (one.level ? [[0, high], [one.y[0], one.y[0]]] : [one.x, one.y])),
    );
  }
  if (chart.kind === "bars") return stacked(chart.series);
  return [chart.series[0].x, ...chart.series.map((one) => one.y)];
}

/**
 * Return the tops of bars on one another, the highest first, so that lower ones cover them.
 * @param {Series[]} series
 */
function stacked(series) {
  const tops = [];
  let below = series[0].x.map(() => 0);
  for (const one of series) {
    below = below.map((height, index) => height + one.y[index]);
    tops.unshift(below);
  }
  return [series[0].x, ...tops];
}

/** @param {Axis} axis @param {number} width @returns {number[]} the categories whose names have room */
function categories(axis, width) {
  const count = axis.names?.length ?? 0;
  const stride = Math.max(1, Math.ceil((count * TICK_SPACE) / Math.max(1, width)));
  const short = (axis.names ?? []).every((name) => name.length < 4);
  const step = short ? Math.max(1, Math.ceil((count * 26) / Math.max(1, width))) : stride;
  const found = [];
  for (let place = count - 1; place >= 0; place -= step) found.unshift(place);
  return found;
}

/** @param {Axis} axis @param {number} room in pixels @returns {number[]} the ticks of an axis with fixed ends */
function ticks(axis, room) {
  const { low = 0, high = 1, step = 1 } = axis;
  const steps = Math.round((high - low) / step);
  const stride = Math.max(1, Math.ceil((steps * LABEL) / Math.max(1, room)));
  return Array.from({ length: Math.floor(steps / stride) + 1 }, (_, n) => low + n * stride * step);
}

/** @param {Axis} axis @param {boolean} isX @param {Colours} colour @param {string} font @param {object} more */
export function drawnAxis(axis, isX, colour, font, more = {}) {
  /** @type {Record<string, unknown>} */
  const line = { stroke: colour("--line"), width: 1 };
  /** @type {Record<string, unknown>} */
  const found = {
    stroke: colour("muted"),
    font,
    grid: isX && !axis.step ? { show: false } : line,
    ticks: { show: false },
    gap: 8,
    size: isX ? 26 : sizeOfLabels,
    values: (_u, values, _axis, _space, distance) =>
      values.map((value) => (value === null ? "" : tick(axis, value, axis.step ?? distance))),
    ...more,
  };
  if (axis.log) found.filter = found.grid.filter = roundOnes;
  if (axis.names) found.splits = (u) => categories(axis, u.width - 50);
  else if (axis.step) {
    found.splits = (u) => ticks(axis, (isX ? u.bbox.width : u.bbox.height) / devicePixelRatio);
  }
  else if (axis.start) Object.assign(found, { incrs: DAYS, space: TICK_SPACE });
  else if (isX) Object.assign(found, { incrs: WHOLE, space: TICK_SPACE });
  return found;
}

/** Keep 1, 2 and 5 of each power of ten. @param {uPlot} _u @param {number[]} values */
function roundOnes(_u, values) {
  return values.map((value) => (/^[125](\.0+)?e/.test(value.toExponential(5)) ? value : null));
}

/** @param {uPlot} u @param {string[] | null} labels @returns {number} the width of the longest */
function sizeOfLabels(u, labels) {
  if (!labels) return 30;
  u.ctx.save();
  u.ctx.font = `12px ${getComputedStyle(u.root).fontFamily}`;
  const widths = labels.map((label) => u.ctx.measureText(label).width);
  u.ctx.restore();
  return Math.ceil(Math.max(...widths, 8)) + 12;
}

/** @param {Series} one @param {Chart} chart @param {Colours} colour */
function drawnSeries(one, chart, colour) {
  const stroke = colour(one.colour);
  if (chart.kind === "bars") {
    const paths = uPlot.paths.bars({ size: [0.74, 44], radius: 0.08 });
    return { stroke, fill: stroke, width: 0, points: { show: false }, paths };
  }
  if (chart.kind === "dots") return { stroke, paths: () => null, points: { show: false } };
  const isFew = one.style === "thick" && one.x.length <= 40 && !one.level;
  return {
    stroke,
    width: WIDTHS[one.style],
    alpha: one.style === "pale" ? 0.4 : one.style === "thin" ? 0.85 : 1,
    dash: one.style === "dashed" ? [5, 5] : one.level ? [1, 6] : undefined,
    spanGaps: true,
    points: { show: isFew, size: 6, fill: stroke },
  };
}

/**
 * Return the options of a chart. `view` says which part is zoomed into, and learns of another.
 * @param {Chart} chart @param {Colours} colour @param {string} font
 * @param {{zoom: {min: number, max: number} | null}} view
 */
export function options(chart, colour, font, view) {
  const { x, y } = chart;
  const order = chart.kind === "bars" ? [...chart.series].reverse() : chart.series;
  const ends = x.names ? [-0.5, x.names.length - 0.5] : [x.low, x.high];
  return {
    legend: { show: false },
    padding: [8, 24, 0, 0], // half of a date at the end of the axis
    scales: {
      x: {
        time: false,
        range: (u, min, max) => {
          const places = u.data[0];
          // uPlot widens the range of a single value by itself.
          const isWhole = places.length < 2 || (min === places[0] && max === places.at(-1));
          view.zoom = isWhole || !chart.zoom ? null : { min, max };
          return isWhole ? ends : [min, max];
        },
      },
      y: y.log
        ? { distr: 3, range: (_u, min, max) => [min * 0.93, max * 1.07] }
        : { range: (_u, min, max) => (view.zoom ? uPlot.rangeNum(min, max, 0.1, false) : [y.low, y.high]) },
    },
    axes: [drawnAxis(x, true, colour, font), drawnAxis(y, false, colour, font)],
    series: [{}, ...order.map((one) => drawnSeries(one, chart, colour))],
    cursor: {
      y: false,
      x: chart.kind === "lines",
      drag: { x: chart.zoom, y: false, setScale: chart.zoom },
      points: {
        show: chart.kind !== "bars",
        size: chart.kind === "dots" ? 12 : 8,
        width: 0,
        fill: (u, n) => u.series[n].stroke(u, n),
      },
      ...(chart.kind === "dots" && !x.names ? { dataIdx: nearest } : {}),
    },
    hooks: {
      drawAxes: [(u) => drawAreas(u, chart, colour)],
      draw: [
        (u) => drawReferences(u, chart, colour),
        (u) => chart.kind === "dots" && drawDots(u, chart, colour),
      ],
    },
  };
}

/** Return the index of the dot that is nearest to the pointer. @param {uPlot} u @param {number} series */
function nearest(u, series) {
  const { left = 0, top = 0 } = u.cursor;
  const [xs, ys] = [u.data[0], u.data[Math.max(1, series)]];
  let found = 0;
  let least = Infinity;
  for (let index = 0; index < xs.length; index++) {
    const away = Math.hypot(u.valToPos(xs[index], "x") - left, u.valToPos(ys[index], "y") - top);
    if (away < least) [found, least] = [index, away];
  }
  return found;
}
