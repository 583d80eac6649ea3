/** What a chart tells of the point that the pointer or the keyboard is on. */

/** @import { Chart, Series } from "./values.js" */

import { interval, write } from "./values.js";

const GAP = 14; // pixels between the point and what is told
const HALF_BAR = 20;

/** @param {Series} one @param {number} x @param {number} index @returns {number} where the series has that point */
function indexOf(one, x, index) {
  return one.level ? 0 : one.x[index] === x ? index : one.x.indexOf(x);
}

/** @param {number} value @param {number} most @returns {number} a whole number from 0 to the most */
function within(value, most) {
  return Math.round(Math.max(0, Math.min(value, most)));
}

/** @param {Series} one @param {number} x @returns {boolean} whether the series goes as far as there */
function reaches(one, x) {
  return one.level || (x >= one.x[0] && x <= one.x[one.x.length - 1]);
}

/** @param {string} tag @param {string} text @param {string} className */
function element(tag, text, className = "") {
  const made = document.createElement(tag);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

export class Tip {
  /** @param {Chart} chart @param {HTMLElement} place */
  constructor(chart, place) {
    this.chart = chart;
    this.box = element("div", "", "chart-tip");
    this.box.hidden = true;
    this.url = "";
    place.append(this.box);
  }

  /** Tell what the cursor is on. @param {uPlot} u */
  show(u) {
    const { chart } = this;
    const { idx, idxs, left = -1, top = -1 } = u.cursor;
    this.url = "";
    this.box.hidden = idx === null || idx === undefined || left < 0;
    if (this.box.hidden) return;
    const at = chart.kind === "dots" ? (idxs?.[1] ?? idx) : idx;
    const x = u.data[0][at];
    const title = chart.x.label ? `${chart.x.label}${chart.x.names || chart.x.start ? " " : ": "}` : "";
    this.box.replaceChildren(element("b", title + write(chart.x, x)));
    for (const [number, one] of chart.series.entries()) {
      if (one.quiet) continue;
      const near = chart.kind === "lines" ? (idxs?.[number + 1] ?? null) : at;
      if (near === null || near === undefined || !reaches(one, x)) continue;
      const index = chart.kind === "dots" ? near : indexOf(one, u.data[0][near], near);
      if (index >= 0 && one.y[index] !== undefined) this.add(one, index, x);
    }
    if (chart.kind === "bars" && chart.series.length > 1) {
      const sum = chart.series.reduce((total, one) => total + (one.y[at] ?? 0), 0);
      this.row("", gettext("All"), write(chart.y, sum));
    }
    if (chart.kind === "dots") this.place(u, u.valToPos(x, "x"), u.valToPos(u.data[1][at], "y"));
    else this.place(u, left, top);
  }

  /** Add the value of a series. @param {Series} one @param {number} index @param {number} x that is pointed at */
  add(one, index, x) {
    const { chart } = this;
    if (chart.kind === "bars" && !one.y[index]) return;
    let value = one.text?.[index] || write(chart.y, one.y[index]);
    if (!one.text?.[index]) {
      const ends = interval(chart.y, one.low?.[index] ?? null, one.high?.[index] ?? null);
      if (ends) value += ` (${ends})`;
    }
    const own = one.x[index];
    const elsewhere = own === x || one.level ? "" : ` · ${write(chart.x, own)}`;
    this.row(one.colour, (one.name || chart.y.label || "") + elsewhere, value, one.style);
    this.url ||= one.url?.[index] ?? "";
  }

  /** @param {string} colour @param {string} name @param {string} value @param {string} style */
  row(colour, name, value, style = "") {
    const line = document.createElement("div");
    if (colour) line.append(element("span", "", `swatch is-${style} colour-${colour}`));
    line.append(element("span", name), element("span", value, "tip-value"));
    this.box.append(line);
  }

  /** Put the box beside the point, within the chart. @param {uPlot} u @param {number} left @param {number} top */
  place(u, left, top) {
    const x = u.over.offsetLeft + left;
    const { offsetWidth: width, offsetHeight: height } = this.box;
    const gap = GAP + (this.chart.kind === "bars" ? HALF_BAR : 0);
    const y = u.over.offsetTop + top;
    let [start, above] = [x + gap, y - height / 2];
    if (start + width > u.width) start = x - gap - width;
    if (start < 0) [start, above] = [x - width / 2, y > height + gap ? y - height - gap : y + gap];
    start = within(start, u.width - width);
    above = within(above, u.height - height);
    this.box.style.transform = `translate(${start}px, ${above}px)`;
  }

  /** @returns {string} what it tells, for a screen reader */
  get words() {
    const lines = [...this.box.children].map((line) => [...line.childNodes]);
    return lines.map((parts) => parts.map((part) => part.textContent).join(" ").trim()).join("; ");
  }
}
