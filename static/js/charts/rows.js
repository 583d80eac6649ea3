/** Dots with intervals on one axis, drawn over the column of a table that has a row for each. */

/** @import { Chart } from "./values.js" */

import { drawDots, drawReferences } from "./marks.js";
import { drawnAxis } from "./options.js";

const AXIS = 24; // pixels below the rows
const SIDE = 16; // pixels beside the plot, for the labels at its ends

/**
 * Draw the rows of a chart, each where its row of the table is.
 * @param {HTMLElement} place @param {Chart} chart @param {(name: string) => string} colour @param {string} font
 */
export function drawRows(place, chart, colour, font) {
  place.classList.add("is-drawn");
  const outer = place.getBoundingClientRect();
  const marks = [...place.querySelectorAll("td.mark")].map((mark) => mark.getBoundingClientRect());
  const height = place.querySelector("tbody")?.getBoundingClientRect().height ?? 0;
  const [first] = marks;
  if (!first || first.width < 40) return null;
  const middles = marks.map((mark) => (mark.top + mark.bottom) / 2 - outer.top);
  const plot = new uPlot(
    {
      width: first.width,
      height: height + AXIS,
      legend: { show: false },
      cursor: { show: false },
      padding: [0, SIDE, 0, SIDE],
      scales: {
        x: { time: false, ori: 1, dir: -1, range: () => [0, height] },
        y: { ori: 0, range: () => [chart.x.low, chart.x.high] },
      },
      axes: [
        { scale: "x", side: 3, show: false },
        drawnAxis(chart.x, true, colour, font, { scale: "y", side: 2, size: AXIS, gap: 6 }),
      ],
      series: [{}, ...chart.series.map(() => ({ paths: () => null, points: { show: false } }))],
      hooks: {
        draw: [(u) => drawReferences(u, chart, colour), (u) => drawDots(u, chart, colour)],
      },
    },
    [middles, ...chart.series.map((one) => middles.map(() => one.x[0]))],
    place,
  );
  plot.root.style.left = `${first.left - outer.left}px`;
  plot.root.setAttribute("aria-hidden", "true");
  return plot;
}
