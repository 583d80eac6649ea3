/** The keys of the ranking page. They rest while something is being written and with Ctrl and Meta. */

import { latinKey } from "../latin_key.js";

/** @typedef {import("./page.js").Task} Task */

/**
 * What each key does to the task. Answers false where the key is left to the browser.
 * @type {Record<string, (task: Task, focused: Element | null) => boolean | void>}
 */
const KEYS = {
  j: ({ cards }) => cards.move(1),
  k: ({ cards }) => cards.move(-1),
  ArrowDown: ({ cards, reading }, focused) => (reading.scrolls(focused) ? false : cards.move(1)),
  ArrowUp: ({ cards, reading }, focused) => (reading.scrolls(focused) ? false : cards.move(-1)),
  u: (task) => task.undo(),
  n: (task) => task.writeNote(),
  s: (task) => task.skip(),
  r: ({ entries }) => entries.score(),
  t: ({ entries }) => entries.flag(),
  f: ({ reading }) => reading.fold(),
  p: ({ reading }) => reading.pin(),
  w: ({ reading }) => reading.write(),
  g: ({ reading }) => reading.guide(),
  0: ({ ranking, cards }) => ranking.place(cards.letter, null),
  Backspace: ({ ranking, cards }) => ranking.place(cards.letter, null),
  Enter: (task, focused) => (isButton(focused, task) ? false : task.submit()),
  Escape: ({ rail, reading }) => (rail.picked ? rail.pick(null) : reading.leave()),
};

/**
 * Return whether Enter presses the focused element. It does not press a lane while nothing is
 * picked: that is where the focus is after ranking by clicks.
 * @param {Element | null} focused
 * @param {Task} task
 */
function isButton(focused, task) {
  if (focused?.matches(".place")) return task.rail.picked !== null;
  return Boolean(focused?.closest("button, a, summary"));
}

/**
 * Return the rank that Shift with a digit means. The key's place on the keyboard tells, because
 * the character that Shift gives depends on the layout. On keyboards that need Shift for the digit
 * itself, such as French ones, it is the key without Shift.
 * @param {KeyboardEvent} event
 * @returns {number | null}
 */
function insertedRank({ key, code }) {
  const [, digit] = /^Digit([1-9])$/.exec(code) ?? [];
  return digit && !/^\p{Nd}$/u.test(key) ? Number(digit) : null;
}

/** @param {Element | null} element */
function isWriting(element) {
  return Boolean(element?.closest("textarea, select, input:not([type=radio], [type=checkbox]), [contenteditable]"));
}

/**
 * @param {KeyboardEvent} event
 * @param {Task} task
 */
export function press(event, task) {
  if (event.ctrlKey || event.metaKey || event.isComposing) return;
  const focused = document.activeElement;
  if (document.querySelector("dialog[open]")) return;
  if (isWriting(focused)) {
    if (event.key === "Escape" && focused instanceof HTMLElement) task.leaveNote();
    if (event.key === "Enter" && focused?.matches("#skip-note")) event.preventDefault(); // no submit
    return;
  }
  const { ranking, cards } = task;
  const inserted = insertedRank(event);
  const key = latinKey(event);
  if (!event.altKey && task.entries.take(key)) return event.preventDefault();
  if (event.altKey) {
    if (event.shiftKey || !/^Arrow(Up|Down)$/.test(event.key)) return;
    task.moveRank(event.key === "ArrowUp" ? -1 : 1);
  } else if (key === "?") {
    document.querySelector("#keys")?.showModal();
  } else if (inserted !== null && inserted <= ranking.letters.length) {
    ranking.insert(cards.letter, inserted);
  } else if (/^[1-9]$/.test(key) && Number(key) <= ranking.letters.length) {
    ranking.place(cards.letter, Number(key));
  } else if (!Object.hasOwn(KEYS, key) || KEYS[key](task, focused) === false) {
    return;
  }
  event.preventDefault();
}
