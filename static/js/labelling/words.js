/**
 * Which words of two rendered texts only one of them has. Markdown stays rendered: words are found
 * in the text nodes, a formula counts as one, and marking wraps them where they stand.
 */

/** @typedef {{ word: string, node: Text | Element, start: number, end: number, alone?: boolean }} Word */

const MOST_MILLISECONDS = 700;
const MOST_WORDS = 40_000; // of both together

const segmenter = "Segmenter" in Intl ? new Intl.Segmenter(undefined, { granularity: "word" }) : null;

/**
 * @param {Element} one
 * @param {Element} other
 * @returns {{ likeness: number, words: Word[] } | null} null where it would take too long
 */
export function compare(one, other) {
  if (typeof Diff === "undefined") return null;
  const sides = [wordsOf(one), wordsOf(other)];
  const count = sides[0].length + sides[1].length;
  if (count > MOST_WORDS) return null;
  const [left, right] = sides.map((words) => words.map(({ word }) => word));
  const parts = Diff.diffArrays(left, right, { timeout: MOST_MILLISECONDS });
  if (!parts) return null;
  const places = [0, 0];
  let shared = 0;
  for (const part of parts) {
    if (!part.added && !part.removed) {
      shared += part.count;
      places[0] += part.count;
      places[1] += part.count;
      continue;
    }
    const side = part.removed ? 0 : 1;
    const end = places[side] + part.count;
    for (; places[side] < end; places[side]++) sides[side][places[side]].alone = true;
  }
  return { likeness: count ? (2 * shared) / count : 1, words: sides.flat() };
}

/** @param {Word[]} words as compare() gives them */
export function mark(words) {
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

/** Words that stand alone one after the other in a text node, as one. @param {Word[]} words */
function runs(words) {
  /** @type {Word[]} */
  const found = [];
  let goesOn = false;
  for (const word of words) {
    const last = found.at(-1);
    if (!word.alone) goesOn = false;
    else if (goesOn && last?.node === word.node && word.node instanceof Text) last.end = word.end;
    else goesOn = Boolean(found.push({ ...word }));
  }
  return found;
}

/**
 * @param {Node} root
 * @param {Word[]} [found]
 */
function wordsOf(root, found = []) {
  for (const child of root.childNodes) {
    if (child instanceof Text) found.push(...wordsIn(child));
    else if (child instanceof Element && child.localName === "math") {
      const word = child.getAttribute("alttext") ?? child.textContent ?? "";
      found.push({ word, node: child, start: 0, end: 0 });
    } else wordsOf(child, found);
  }
  return found;
}

/** @param {Text} node @returns {Word[]} */
function wordsIn(node) {
  const text = node.data;
  const parts = segmenter
    ? [...segmenter.segment(text)]
    : [...text.matchAll(/[\p{L}\p{M}\p{N}_'’]+|[^\s]/gu)].map((m) => ({ segment: m[0], index: m.index }));
  return parts
    .filter(({ segment }) => segment.trim())
    .map(({ segment, index }) => ({ word: segment, node, start: index, end: index + segment.length }));
}
