/** The keys of the ranking page. They rest while something is being written and with Ctrl, Alt, Meta. */

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
 * Whether Enter means what is in focus. A lane with nothing picked has nothing to do with it: after
 * a ranking by clicks that is where the focus stands.
 * @param {Element | null} focused
 * @param {Task} task
 */
function isButton(focused, task) {
  if (focused?.matches(".place")) return task.rail.picked !== null;
  return Boolean(focused?.closest("button, a, summary"));
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
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const focused = document.activeElement;
  if (document.querySelector("dialog[open]")) return;
  if (isWriting(focused)) {
    if (event.key === "Escape" && focused instanceof HTMLElement) task.leaveNote();
    if (event.key === "Enter" && focused?.matches("#skip-note")) event.preventDefault(); // no submit
    return;
  }
  if (event.key === "?") {
    document.querySelector("#keys")?.showModal();
  } else if (/^[1-9]$/.test(event.key) && Number(event.key) <= task.ranking.letters.length) {
    task.ranking.place(task.cards.letter, Number(event.key));
  } else if (!Object.hasOwn(KEYS, event.key) || KEYS[event.key](task, focused) === false) {
    return;
  }
  event.preventDefault();
}
