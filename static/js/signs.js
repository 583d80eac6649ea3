/** The source of a text as nodes of a page, with what cannot be seen marked by signs. */

/** @typedef {{ start: number, end: number, gap?: boolean }} Range a part of a source; a gap is between words */

const MOST_SIGNS = 10_000; // in one text; what follows is shown without

/** The names of Unicode, and what is shown in the text. @type {Record<number, [string, string]>} */
const NAMES = {
  0x09: ["→", "CHARACTER TABULATION"],
  0x0a: ["↵", "LINE FEED"],
  0x0d: ["CR", "CARRIAGE RETURN"],
  0x20: ["·", "SPACE"],
  0xa0: ["NBSP", "NO-BREAK SPACE"],
  0xad: ["SHY", "SOFT HYPHEN"],
  0x34f: ["CGJ", "COMBINING GRAPHEME JOINER"],
  0x61c: ["ALM", "ARABIC LETTER MARK"],
  0x115f: ["HCF", "HANGUL CHOSEONG FILLER"],
  0x1160: ["HJF", "HANGUL JUNGSEONG FILLER"],
  0x1680: ["OSM", "OGHAM SPACE MARK"],
  0x180e: ["MVS", "MONGOLIAN VOWEL SEPARATOR"],
  0x2000: ["NQSP", "EN QUAD"],
  0x2001: ["MQSP", "EM QUAD"],
  0x2002: ["ENSP", "EN SPACE"],
  0x2003: ["EMSP", "EM SPACE"],
  0x2004: ["3/MSP", "THREE-PER-EM SPACE"],
  0x2005: ["4/MSP", "FOUR-PER-EM SPACE"],
  0x2006: ["6/MSP", "SIX-PER-EM SPACE"],
  0x2007: ["FSP", "FIGURE SPACE"],
  0x2008: ["PSP", "PUNCTUATION SPACE"],
  0x2009: ["THSP", "THIN SPACE"],
  0x200a: ["HSP", "HAIR SPACE"],
  0x200b: ["ZWSP", "ZERO WIDTH SPACE"],
  0x200c: ["ZWNJ", "ZERO WIDTH NON-JOINER"],
  0x200d: ["ZWJ", "ZERO WIDTH JOINER"],
  0x200e: ["LRM", "LEFT-TO-RIGHT MARK"],
  0x200f: ["RLM", "RIGHT-TO-LEFT MARK"],
  0x2028: ["LSEP", "LINE SEPARATOR"],
  0x2029: ["PSEP", "PARAGRAPH SEPARATOR"],
  0x202a: ["LRE", "LEFT-TO-RIGHT EMBEDDING"],
  0x202b: ["RLE", "RIGHT-TO-LEFT EMBEDDING"],
  0x202c: ["PDF", "POP DIRECTIONAL FORMATTING"],
  0x202d: ["LRO", "LEFT-TO-RIGHT OVERRIDE"],
  0x202e: ["RLO", "RIGHT-TO-LEFT OVERRIDE"],
  0x202f: ["NNBSP", "NARROW NO-BREAK SPACE"],
  0x205f: ["MMSP", "MEDIUM MATHEMATICAL SPACE"],
  0x2060: ["WJ", "WORD JOINER"],
  0x2061: ["f()", "FUNCTION APPLICATION"],
  0x2062: ["×", "INVISIBLE TIMES"],
  0x2063: [",", "INVISIBLE SEPARATOR"],
  0x2064: ["+", "INVISIBLE PLUS"],
  0x2066: ["LRI", "LEFT-TO-RIGHT ISOLATE"],
  0x2067: ["RLI", "RIGHT-TO-LEFT ISOLATE"],
  0x2068: ["FSI", "FIRST STRONG ISOLATE"],
  0x2069: ["PDI", "POP DIRECTIONAL ISOLATE"],
  0x3000: ["IDSP", "IDEOGRAPHIC SPACE"],
  0x3164: ["HF", "HANGUL FILLER"],
  0xfeff: ["BOM", "ZERO WIDTH NO-BREAK SPACE"],
  0xffa0: ["HWHF", "HALFWIDTH HANGUL FILLER"],
};

// Emoji that are joined, and flags of regions: their joiners and tags can be seen.
const EMOJI = String.raw`(?<emoji>\p{Extended_Pictographic}[\ufe0f\u{1f3fb}-\u{1f3ff}]*(?:\u200d\p{Extended_Pictographic}[\ufe0f\u{1f3fb}-\u{1f3ff}]*)+|\u{1f3f4}[\u{e0020}-\u{e007f}]+)`;
const HIDDEN = String.raw`[\0-\x09\x0b-\x1f\x7f-\xa0\xad\u034f\u061c\u115f\u1160\u1680\u17b4\u17b5\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\u3164\ufeff\uffa0\ufff9-\ufffb\u{e0000}-\u{e007f}]`;
const TRAILING = String.raw`(?<! ) +(?=[\r\n]|$)`;
const SIGNS = new RegExp(`${EMOJI}|(?<hidden>${HIDDEN})\\k<hidden>*|${TRAILING}|\\n`, "gu");
const ALL_SPACES = new RegExp(`${EMOJI}|(?<hidden>${HIDDEN})\\k<hidden>*| +|\\n`, "gu");

/**
 * @param {string} source
 * @param {Range[]} [ranges] to be marked, in order
 * @returns {HTMLElement} whose text is the source
 */
export function written(source, ranges = []) {
  const all = document.createElement("div");
  all.className = "written";
  const part = new Part(source);
  for (const { start, end, gap } of ranges) {
    all.append(...part.nodes(start));
    const marked = document.createElement("mark");
    marked.className = "only-here";
    marked.append(...part.nodes(end, gap));
    all.append(marked);
  }
  all.append(...part.nodes(source.length));
  return all;
}

/** Goes through a source from part to part. */
class Part {
  /** @param {string} source */
  constructor(source) {
    this.source = source;
    this.place = 0;
    this.signs = 0;
    this.firstLine = source.search(/[^\n]|$/); // line ends before and after all else are marked
    this.lastLine = source.length - source.match(/\n*$/)[0].length;
  }

  /**
   * The nodes from where the last part ended.
   * @param {number} end
   * @param {boolean} [gap] with every space and line end marked
   * @returns {(string | Element)[]}
   */
  nodes(end, gap = false) {
    const nodes = [];
    const from = this.place;
    const text = this.source.slice(from, end + 1); // with the next character, for spaces at the end of a line
    for (const match of text.matchAll(gap ? ALL_SPACES : SIGNS)) {
      const start = from + match.index;
      if (match.groups.emoji || start >= end || this.signs >= MOST_SIGNS) continue;
      if (match[0] === "\n" && !gap && !this.#isOuter(start)) continue;
      const stop = Math.min(start + match[0].length, end);
      nodes.push(this.source.slice(this.place, start), sign(this.source.slice(start, stop)));
      this.place = stop;
      this.signs += 1;
    }
    nodes.push(this.source.slice(this.place, end));
    this.place = end;
    return nodes;
  }

  /** @param {number} place of a line end */
  #isOuter(place) {
    return place < this.firstLine || place >= this.lastLine;
  }
}

/** @param {string} run of one character */
function sign(run) {
  const code = run.codePointAt(0);
  const [shown, name] = NAMES[code] ?? [hexadecimal(code), ""];
  const element = document.createElement("span");
  const count = [...run].length;
  element.className = shown.length > 1 ? "sign named" : "sign";
  if (code === 0x09) element.classList.add("tab");
  element.dataset.shown = shown.length > 1 ? shown + (count > 1 ? `×${count}` : "") : shown.repeat(count);
  element.title = `${hexadecimal(code)} ${name}`.trim() + (count > 1 ? ` × ${count}` : "");
  element.textContent = run;
  return element;
}

/** @param {number} code */
function hexadecimal(code) {
  return `U+${code.toString(16).toUpperCase().padStart(4, "0")}`;
}
