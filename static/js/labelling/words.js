/**
 * Find the words that only one of two texts has, and where their spaces differ. The sources are
 * compared; in formatted texts, the words are marked where formatting shows them, and a formula is
 * marked as a whole.
 */

/** @typedef {import("../signs.js").Range} Range */
/** @typedef {{ word: string, start: number, end: number, alone?: boolean }} Word a word of a source */
/** @typedef {{ word: string, node: Text | Element, start: number, end: number, alone?: boolean }} Shown a word of a page */
/** @typedef {{ source: string, words: Word[], gaps: Range[] }} Side a text, and where its spaces differ */

const MOST_MILLISECONDS = 700;
const MOST_WORDS = 40_000; // of both together

const segmenter = "Segmenter" in Intl ? new Intl.Segmenter(undefined, { granularity: "word" }) : null;

/**
 * @param {string} one
 * @param {string} other
 * @returns {{ likeness: number, sides: Side[] } | null} null where it would take too long
 */
export function compare(one, other) {
  if (typeof Diff === "undefined") return null;
  const sides = [one, other].map((source) => ({ source, words: wordsIn(source), gaps: [] }));
  const [left, right] = sides;
  const count = left.words.length + right.words.length;
  if (count > MOST_WORDS) return null;
  const parts = differences(left.words, right.words);
  if (!parts) return null;
  let shared = 0;
  let [i, j] = [0, 0];
  for (const part of parts) {
    if (part.removed) for (const end = i + part.count; i < end; i++) left.words[i].alone = true;
    else if (part.added) for (const end = j + part.count; j < end; j++) right.words[j].alone = true;
    else {
      // Between two words that both texts have, and before the first that both begin with.
      const isFirst = i === 0 && j === 0;
      for (let word = 0; word < part.count; word++, i++, j++) {
        if (word > 0 || isFirst) compareGaps(left, i, right, j);
      }
      shared += part.count;
    }
  }
  const { length } = parts;
  if (!length || !(parts[length - 1].added || parts[length - 1].removed)) compareGaps(left, i, right, j);
  return { likeness: count ? (2 * shared) / count : 1, sides };
}

/** @param {{ word: string }[]} left @param {{ word: string }[]} right */
function differences(left, right) {
  const [one, other] = [left, right].map((words) => words.map(({ word }) => word));
  return Diff.diffArrays(one, other, { timeout: MOST_MILLISECONDS });
}

/** Note where the spaces before two words differ. @param {Side} left @param {number} i @param {Side} right @param {number} j */
function compareGaps(left, i, right, j) {
  const [one, other] = [gapBefore(left, i), gapBefore(right, j)];
  const isShort = () => one.start === one.end || other.start === other.end;
  while (!isShort() && left.source[one.end - 1] === right.source[other.end - 1]) {
    one.end -= 1;
    other.end -= 1;
  }
  while (!isShort() && left.source[one.start] === right.source[other.start]) {
    one.start += 1;
    other.start += 1;
  }
  left.gaps.push(one);
  right.gaps.push(other);
}

/** @param {Side} side @param {number} index @returns {Range} */
function gapBefore({ source, words }, index) {
  return { start: words[index - 1]?.end ?? 0, end: words[index]?.start ?? source.length, gap: true };
}

/** @param {Range} range */
const isEmpty = ({ start, end }) => start === end;

/** The parts of a source that differ, in order. @param {Side} side @returns {Range[]} */
export function rangesOf({ words, gaps }) {
  /** @type {Range[]} */
  const ranges = [];
  for (const [index, { start, end, alone }] of words.entries()) {
    if (alone && words[index - 1]?.alone) ranges.at(-1).end = end;
    else if (alone) ranges.push({ start, end });
  }
  return [...ranges, ...gaps.filter((gap) => !isEmpty(gap))].sort((one, other) => one.start - other.start);
}

/**
 * Mark the differing words of a formatted text.
 * @param {Element} root
 * @param {Side} side
 * @returns {boolean} false where formatting hides some of the differences
 */
export function markFormatted(root, { words, gaps }) {
  const shown = wordsOf(root);
  const parts = differences(words, shown);
  if (!parts) return false;
  let all = gaps.every(isEmpty);
  let [i, j] = [0, 0];
  for (const part of parts) {
    if (part.removed) for (const end = i + part.count; i < end; i++) all &&= !words[i].alone;
    else if (part.added) j += part.count;
    else for (const end = i + part.count; i < end; i++, j++) shown[j].alone = words[i].alone;
  }
  mark(shown);
  return all;
}

/** @param {Shown[]} words */
function mark(words) {
  // From the end: wrapping a word shortens its text node, and the words before it stay in place.
  for (const { node, start, end } of runs(words).reverse()) {
    const around = document.createElement("mark");
    around.className = "only-here";
    if (node instanceof Text) {
      const range = document.createRange();
      range.setStart(node, start);
      range.setEnd(node, end);
      range.surroundContents(around);
    } else {
      node.replaceWith(around);
      around.append(node);
    }
  }
}

/** @param {Element} root */
export function unmark(root) {
  for (const around of root.querySelectorAll("mark.only-here")) around.replaceWith(...around.childNodes);
  root.normalize();
}

/** Words that stand alone one after the other in a text node, or in a formula, as one. @param {Shown[]} words */
function runs(words) {
  /** @type {Shown[]} */
  const found = [];
  let goesOn = false;
  for (const word of words) {
    const last = found.at(-1);
    const isFormula = word.node instanceof Element;
    if (!word.alone) goesOn = isFormula && goesOn && last?.node === word.node;
    else if (last?.node === word.node && (goesOn || isFormula)) last.end = word.end;
    else goesOn = Boolean(found.push({ ...word }));
  }
  return found;
}

/**
 * @param {Node} root
 * @param {Shown[]} [found]
 */
function wordsOf(root, found = []) {
  for (const child of root.childNodes) {
    if (child instanceof Text) found.push(...wordsIn(child.data).map((word) => ({ ...word, node: child })));
    else if (child instanceof Element && child.localName === "math") {
      const source = child.getAttribute("alttext") ?? child.textContent ?? "";
      found.push(...wordsIn(source).map((word) => ({ ...word, node: child })));
    } else wordsOf(child, found);
  }
  return found;
}

/** @param {string} text @returns {Word[]} */
function wordsIn(text) {
  const parts = segmenter
    ? [...segmenter.segment(text)]
    : [...text.matchAll(/[\p{L}\p{M}\p{N}_'’]+|[^\s]/gu)].map((m) => ({ segment: m[0], index: m.index }));
  return parts
    .filter(({ segment }) => segment.trim())
    .map(({ segment, index }) => ({ word: segment, start: index, end: index + segment.length }));
}
