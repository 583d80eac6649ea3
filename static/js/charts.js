/**
 * Charts: <podium-chart> holds the data as JSON, and uPlot draws them. They follow the width of
 * their place and the appearance, and a chart that is fetched again keeps its zoom.
 */

/** @import { Chart } from "./charts/values.js" */

import { columns, options } from "./charts/options.js";
import { drawRows } from "./charts/rows.js";
import { Tip } from "./charts/tip.js";
import { palette } from "./charts/values.js";

/** The zoom of each chart by the id of its figure. @type {Map<string, {min: number, max: number} | null>} */
const zooms = new Map();
/** @type {Set<PodiumChart>} */
const charts = new Set();
let pointer = { x: -1, y: -1 };

class PodiumChart extends HTMLElement {
  connectedCallback() {
    const data = this.querySelector('script[type="application/json"]');
    if (!data?.textContent) return;
    /** @type {Chart} */
    this.chart = JSON.parse(data.textContent);
    this.key = this.closest("figure")?.id ?? "";
    charts.add(this);
    this.draw();
    this.resized = new ResizeObserver(() => this.fit());
    this.resized.observe(this);
    this.addEventListener("keydown", (event) => this.press(event));
    this.addEventListener("blur", () => this.plot && this.chart?.kind !== "rows" && this.leave());
  }

  disconnectedCallback() {
    charts.delete(this);
    this.resized?.disconnect();
    this.plot?.destroy();
    this.plot = null;
  }

  draw() {
    if (!this.chart) return;
    this.plot?.destroy();
    this.tip?.box.remove();
    this.tip = null;
    this.size = `${this.clientWidth} ${this.clientHeight}`;
    const colour = palette(this);
    const font = `12px ${getComputedStyle(this).fontFamily}`;
    if (this.chart.kind === "rows") this.plot = drawRows(this, this.chart, colour, font);
    else this.drawPlot(this.chart, colour, font);
  }

  /** @param {Chart} chart @param {(name: string) => string} colour @param {string} font */
  drawPlot(chart, colour, font) {
    const kept = zooms.get(this.key);
    const view = { zoom: null };
    const tip = new Tip(chart, this);
    const made = options(chart, colour, font, view);
    made.hooks.setCursor = [(u) => tip.show(u)];
    made.hooks.setScale = [(_u, name) => name === "x" && zooms.set(this.key, view.zoom)];
    const size = { width: this.clientWidth, height: this.clientHeight };
    this.plot = new uPlot({ ...size, ...made }, columns(chart), this);
    this.tip = tip;
    this.append(tip.box); // above the drawing
    if (kept && chart.zoom) this.plot.setScale("x", kept);
    if (chart.series.some((one) => one.url)) this.classList.add("is-link");
    this.plot.over.addEventListener("click", () => tip.url && location.assign(tip.url));
    this.point();
  }

  /** A chart that is drawn again under the pointer tells what it is on. */
  point() {
    const over = this.plot?.over.getBoundingClientRect();
    if (!over) return;
    const [left, top] = [pointer.x - over.left, pointer.y - over.top];
    const isIn = left >= 0 && top >= 0 && left <= over.width && top <= over.height;
    if (isIn) queueMicrotask(() => this.plot?.setCursor({ left, top }));
  }

  fit() {
    if (this.size !== `${this.clientWidth} ${this.clientHeight}`) this.draw();
  }

  /** Arrows lead from point to point. @param {KeyboardEvent} event */
  press(event) {
    const { plot, chart, tip } = this;
    if (!plot || !chart || !tip) return;
    if (event.key === "Enter" && tip.url) location.assign(tip.url);
    const last = plot.data[0].length - 1;
    const now = plot.cursor.idx ?? -1;
    const [least, most] = plot.data[0].reduce(
      ([low, high], x, index) => {
        const isIn = x >= (plot.scales.x.min ?? x) && x <= (plot.scales.x.max ?? x);
        return isIn ? [Math.min(low, index), Math.max(high, index)] : [low, high];
      },
      [last, 0],
    );
    const to = { ArrowRight: now + 1, ArrowLeft: now < 0 ? most : now - 1, Home: least, End: most }[event.key];
    if (event.key === "Escape") this.leave();
    else if (to !== undefined) this.go(Math.max(least, Math.min(most, to)));
    else return;
    event.preventDefault();
  }

  /** @param {number} index */
  go(index) {
    const { plot, tip } = this;
    if (!plot || !tip) return;
    const y = plot.data.slice(1).find((column) => typeof column[index] === "number")?.[index];
    const top = typeof y === "number" ? plot.valToPos(y, "y") : plot.over.clientHeight / 2;
    plot.setCursor({ left: plot.valToPos(plot.data[0][index], "x"), top });
    const said = this.parentElement?.querySelector('[role="status"]');
    if (said) said.textContent = tip.words;
  }

  leave() {
    this.plot?.setCursor({ left: -10, top: -10 });
  }
}

function drawAll() {
  for (const chart of charts) chart.draw();
}

customElements.define("podium-chart", PodiumChart);
addEventListener("pointermove", (event) => {
  pointer = { x: event.clientX, y: event.clientY };
}, { passive: true });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
new MutationObserver(drawAll).observe(document.documentElement, { attributeFilter: ["data-theme"] });
