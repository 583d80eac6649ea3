/** What is drawn on a chart beside lines and bars: dots, intervals, boxes, areas and reference lines. */

/** @import { Chart } from "./values.js" */

const DASH = [5, 4];

/** @param {uPlot} u @returns {number} device pixels per pixel of the style sheet */
function ratio(u) {
  return u.ctx.canvas.width / u.width;
}

/**
 * Draw within the plot, with sizes in the pixels of the style sheet.
 * @param {uPlot} u @param {(scale: number) => void} paint
 */
function painted(u, paint) {
  u.ctx.save();
  paint(ratio(u));
  u.ctx.restore();
}

/**
 * Shade the areas, such as the range of a forecast.
 * @param {uPlot} u @param {Chart} chart @param {(name: string) => string} colour
 */
export function drawAreas(u, chart, colour) {
  painted(u, () => {
    for (const area of chart.areas) {
      u.ctx.globalAlpha = 0.2;
      u.ctx.fillStyle = colour(area.colour);
      u.ctx.beginPath();
      for (const [x, y] of area.corners) {
        u.ctx.lineTo(u.valToPos(x, "x", true), u.valToPos(y, "y", true));
      }
      u.ctx.fill();
    }
  });
}

/**
 * Draw the levels to compare with, each with its name.
 * @param {uPlot} u @param {Chart} chart @param {(name: string) => string} colour
 */
export function drawReferences(u, chart, colour) {
  const { left, top, width, height } = u.bbox;
  painted(u, (scale) => {
    const { ctx } = u;
    ctx.strokeStyle = ctx.fillStyle = colour("muted");
    ctx.lineWidth = scale;
    ctx.setLineDash(DASH.map((length) => length * scale));
    if (chart.diagonal) {
      line(ctx, ...place(u, chart.x.low ?? 0), ...place(u, chart.x.high ?? 0));
    }
    for (const { name, value } of chart.references) {
      const across = chart.kind === "rows";
      const at = u.valToPos(value, "y", true);
      if (at < (across ? left : top) || at > (across ? left + width : top + height)) continue;
      if (across) line(ctx, at, top, at, top + height);
      else line(ctx, left, at, left + width, at);
      if (across) continue;
      ctx.font = `${12 * scale}px ${getComputedStyle(u.root).fontFamily}`;
      const below = at - top < 18 * scale;
      const wide = ctx.measureText(name).width + 4 * scale;
      const isLeft = !isClear(u, chart, left + width - wide, left + width, at, scale);
      ctx.textAlign = isLeft ? "left" : "right";
      ctx.textBaseline = below ? "top" : "bottom";
      const x = isLeft ? left + 2 * scale : left + width - 2 * scale;
      const y = at + (below ? 4 : -3) * scale;
      ctx.save();
      ctx.setLineDash([]);
      ctx.lineWidth = 3 * scale;
      ctx.strokeStyle = colour("--card");
      ctx.strokeText(name, x, y); // lines behind the name end before it
      ctx.restore();
      ctx.fillText(name, x, y);
    }
  });
}

/**
 * Whether no dot or interval is drawn at the name of a level, from one place to another.
 * @param {uPlot} u @param {Chart} chart @param {number} from @param {number} to
 * @param {number} at the height of the level @param {number} scale
 */
function isClear(u, chart, from, to, at, scale) {
  if (chart.kind !== "dots") return true;
  const room = 6 * scale; // a dot and the space around it
  const [upper, lower] = [at - 18 * scale, at + 18 * scale];
  return chart.series.every((one) =>
    one.y.every((value, index) => {
      const x = u.valToPos(one.x[index], "x", true);
      if (x < from - room || x > to + room) return true;
      const high = u.valToPos(one.high?.[index] ?? value, "y", true) - room;
      const low = u.valToPos(one.low?.[index] ?? value, "y", true) + room;
      return low < upper || high > lower;
    }),
  );
}

/** @param {uPlot} u @param {number} value @returns {[number, number]} where both axes have it */
function place(u, value) {
  return [u.valToPos(value, "x", true), u.valToPos(value, "y", true)];
}

/** @param {CanvasRenderingContext2D} ctx @param {number} x1 @param {number} y1 @param {number} x2 @param {number} y2 */
function line(ctx, x1, y1, x2, y2) {
  ctx.beginPath();
  ctx.moveTo(x1, y1);
  ctx.lineTo(x2, y2);
  ctx.stroke();
}

/**
 * Draw dots with their intervals and boxes.
 * @param {uPlot} u @param {Chart} chart @param {(name: string) => string} colour
 */
export function drawDots(u, chart, colour) {
  const across = chart.kind === "rows"; // values lie on the horizontal axis
  painted(u, (scale) => {
    const { ctx } = u;
    ctx.lineCap = "round";
    for (const [number, one] of chart.series.entries()) {
      ctx.strokeStyle = ctx.fillStyle = colour(one.colour);
      ctx.lineWidth = (across ? 3 : 2.5) * scale;
      ctx.globalAlpha = one.style === "small" ? 0.45 : 1;
      for (const [index, value] of one.y.entries()) {
        const category = across ? u.data[0][number] : one.x[index];
        const along = u.valToPos(category, "x", true);
        const at = (/** @type {number} */ figure) => u.valToPos(figure, "y", true);
        const figure = across ? one.x[index] : value;
        const low = one.low?.[index] ?? null;
        const high = one.high?.[index] ?? null;
        const box = one.box?.[index];
        if (box) {
          ctx.save();
          ctx.globalAlpha = 0.16;
          const half = Math.min(18 * scale, (0.38 * u.bbox.width) / one.y.length);
          ctx.beginPath();
          ctx.roundRect(along - half, at(box[1]), 2 * half, at(box[0]) - at(box[1]), 4 * scale);
          ctx.fill();
          ctx.restore();
        }
        if (low !== null && high !== null) {
          if (across) line(ctx, at(low), along, at(high), along);
          else line(ctx, along, at(low), along, at(high));
        }
        ctx.beginPath();
        const [x, y] = across ? [at(figure), along] : [along, at(figure)];
        ctx.arc(x, y, (one.style === "small" ? 3 : across ? 5 : 4.5) * scale, 0, 2 * Math.PI);
        ctx.fill();
      }
    }
  });
}
