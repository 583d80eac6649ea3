/** How the values of an axis are written, and the colours in which series are drawn. */

/**
 * @typedef {object} Axis
 * @property {string} [label]
 * @property {string} [unit]
 * @property {number} [decimals]
 * @property {"decimal" | "signed" | "scientific" | "significant"} notation
 * @property {number} [low]
 * @property {number} [high]
 * @property {number} [step]
 * @property {string[]} [names] of the categories 0, 1, 2, …
 * @property {string} [start] values are days after this one
 * @property {boolean} [log]
 *
 * @typedef {object} Series
 * @property {string} name
 * @property {string} colour
 * @property {"thin" | "thick" | "pale" | "dashed" | "small"} style
 * @property {boolean} level
 * @property {boolean} quiet
 * @property {number[]} x
 * @property {number[]} y
 * @property {(number | null)[]} [low]
 * @property {(number | null)[]} [high]
 * @property {([number, number] | null)[]} [box]
 * @property {string[]} [text]
 * @property {string[]} [url]
 *
 * @typedef {object} Chart
 * @property {"lines" | "bars" | "dots" | "rows"} kind
 * @property {Axis} x
 * @property {Axis} y
 * @property {Series[]} series
 * @property {{name: string, value: number}[]} references
 * @property {{name: string, colour: string, corners: [number, number][]}[]} areas
 * @property {boolean} diagonal
 * @property {boolean} zoom
 */

const DAY = 86_400_000;
const MINUS = "\u2212";
const language = document.documentElement.lang;
const days = new Intl.DateTimeFormat(language === "en" ? "en-GB" : language, {
  day: "numeric",
  month: "short",
  timeZone: "UTC",
});

/** @param {number} value @param {number} decimals */
function fixed(value, decimals) {
  const rounded = Number(value.toFixed(decimals)) + 0; // no minus before a zero
  return rounded.toLocaleString("en-GB", {
    minimumFractionDigits: decimals,
    maximumFractionDigits: decimals,
  });
}

/** @param {number} value with a two-digit exponent, as the tables have it */
function scientific(value) {
  return value ? value.toExponential(1).replace(/e([+-])(\d)$/, "e$10$2") : "0";
}

/** Write a value without its unit. @param {Axis} axis @param {number} value @param {number} decimals */
function bare(axis, value, decimals) {
  if (axis.names) return axis.names[Math.round(value)] ?? "";
  if (axis.start) return days.format(Date.parse(axis.start) + Math.round(value) * DAY);
  if (axis.notation === "scientific") return scientific(value).replaceAll("-", MINUS);
  if (axis.notation === "significant") return String(Number(value.toPrecision(3)));
  const sign = axis.notation === "signed" && Number(value.toFixed(decimals)) > 0 ? "+" : "";
  return (sign + fixed(value, decimals)).replace("-", MINUS);
}

/** Write a value that is pointed at, with its unit. @param {Axis} axis @param {number} value */
export function write(axis, value) {
  const text = bare(axis, value, axis.decimals ?? 0);
  return axis.unit ? `${text}${axis.unit === "%" ? "\u202f" : "\u00a0"}${axis.unit}` : text;
}

/** Write the value of a tick. @param {Axis} axis @param {number} value @param {number} distance of the ticks */
export function tick(axis, value, distance) {
  if (axis.log) return String(Number(value.toPrecision(2)));
  let decimals = 0;
  for (; decimals < 8; decimals++) {
    const part = distance * 10 ** decimals;
    if (Math.abs(part - Math.round(part)) < 1e-6 * part) break;
  }
  return bare(axis, value, decimals);
}

/** @param {Axis} axis @param {number | null} low @param {number | null} high */
export function interval(axis, low, high) {
  if (low === null || high === null) return "";
  const ends = [low, high].map((end) => bare(axis, end, axis.decimals ?? 0));
  return `${ends.join("–")}`;
}

/** Return the colour that a class or a property of the style sheets has here. @param {Element} place */
export function palette(place) {
  const probe = place.ownerDocument.createElement("span");
  probe.hidden = true;
  place.append(probe);
  /** @type {Map<string, string>} */
  const known = new Map();
  /** @param {string} name of a colour-… class or of a property */
  function colour(name) {
    const found = known.get(name);
    if (found) return found;
    const isProperty = name.startsWith("--");
    probe.className = isProperty ? "" : `colour-${name}`;
    probe.style.color = `var(${isProperty ? name : "--colour"})`;
    place.append(probe);
    const resolved = getComputedStyle(probe).color;
    probe.remove();
    known.set(name, resolved);
    return resolved;
  }
  probe.remove();
  return colour;
}
