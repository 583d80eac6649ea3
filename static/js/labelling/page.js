/** The ranking page: puts ranking, rail, cards and keys together for each task that comes in. */

import { refusal, show } from "../requests.js";
import { forget, later, withPromise } from "./again.js";
import { Ahead } from "./ahead.js";
import { Cards } from "./cards.js";
import { watch } from "./clock.js";
import { Entries } from "./entries.js";
import { press } from "./keys.js";
import { Rail } from "./rail.js";
import { Ranking, listed, words } from "./ranking.js";
import { Reading } from "./reading.js";
import { warn } from "./scores.js";
import "./sideways.js";
import { keepInSight } from "./strip.js";

const said = document.getElementById("said");

/** Tell a screen reader. @param {string} sentence */
function say(sentence) {
  if (said) said.textContent = sentence;
}

export class Task {
  /** @param {HTMLFormElement} form */
  constructor(form) {
    this.form = form;
    this.ranking = new Ranking(form);
    this.cards = new Cards(this.ranking);
    this.rail = new Rail(this.ranking, say);
    this.entries = new Entries(form, this.cards, say);
    this.reading = new Reading(form, this.cards, say);
    keepInSight(form);
    this.ranking.onchange = (change) => this.#changed(change);
    form.addEventListener("change", (event) => {
      const card = event.target instanceof Element && event.target.closest(".response");
      if (card instanceof HTMLElement) this.ranking.settle(card.dataset.letter);
      if (event.target instanceof Element && !event.target.closest(".ranks")) this.#entered();
    });
    form.addEventListener("click", (event) => this.#clicked(event));
    form.querySelector("#note-text").addEventListener("input", () => this.#entered());
    form.querySelector("#skip")?.addEventListener("toggle", ({ target }) => {
      if (target.open) target.scrollIntoView({ block: "nearest" }); // the verdict scrolls
    });
    warn(this.ranking);
  }

  /** Has what is entered kept on the server: see the draft's element in _task.html. */
  #entered() {
    forget();
    warn(this.ranking);
    this.form.dispatchEvent(new Event("entered"));
    void ahead.fetch(this.form).then(hold);
  }

  /** Take the last change back; where there was none yet, the last submit or skip. */
  undo() {
    const letter = this.ranking.undo();
    if (!letter) this.#undoDone();
    else if (document.activeElement?.closest(".response")) this.cards.show(this.cards.card(letter));
    else this.cards.mark(this.cards.card(letter));
  }

  #undoDone() {
    const button = this.form.querySelector("#done button");
    if (button instanceof HTMLElement) button.click();
    else say(gettext("Nothing to undo."));
  }

  /** Move the marked response by one place. @param {1 | -1} step down or up */
  moveRank(step) {
    const { letter } = this.cards;
    if (this.ranking.move(letter, step)) return;
    const isRanked = this.ranking.rankOf(letter) !== null;
    const first = gettext("%(letter)s is first already.");
    const last = gettext("%(letter)s is last already.");
    const unranked = gettext("%(letter)s not ranked");
    say(words(isRanked ? (step < 0 ? first : last) : unranked, { letter }));
  }

  submit() {
    this.form.requestSubmit(this.form.querySelector("#submit"));
  }

  /** Unfold the reasons to skip, with the first in focus; fold them again. In practice, Enter skips. */
  skip() {
    document.getElementById("skip-practice")?.focus();
    const skip = this.form.querySelector("#skip");
    if (!(skip instanceof HTMLDetailsElement)) return;
    skip.open = !skip.open;
    if (skip.open) skip.querySelector("button").focus();
    else this.cards.marked.focus({ preventScroll: true });
  }

  /** @returns {boolean} whether the form may go out now */
  get ready() {
    if (this.ranking.isSent) return false;
    const { missing, complete } = this.ranking;
    if (!complete) {
      say(words(gettext("Not ranked yet: %(letters)s."), { letters: listed(missing) }));
      this.cards.show(this.cards.card(missing[0]));
    }
    return complete;
  }

  writeNote() {
    this.form.querySelector("#note").open = true;
    this.form.querySelector("#note-text").focus();
  }

  leaveNote() {
    this.cards.marked.focus({ preventScroll: true });
  }

  /** @param {string} change */
  #changed(change) {
    this.rail.pick(null); // however the change came about; draws the rail as well
    this.#entered();
    const ready = this.ranking.missing.length
      ? gettext("The best have a rank, and the others come below: press Enter.")
      : gettext("Every response has a rank: press Enter.");
    say(this.ranking.complete ? `${change} ${ready}` : change);
  }

  /** @param {MouseEvent} event */
  #clicked(event) {
    const button = event.target instanceof Element && event.target.closest("button");
    if (!(button instanceof HTMLElement)) return;
    if (button.matches(".undo")) this.undo();
    if (button.matches(".unrank")) {
      this.ranking.place(button.dataset.letter, null);
      button.closest(".response")?.focus({ preventScroll: true });
    }
    if (button.matches("[data-opens]")) document.getElementById(button.dataset.opens)?.showModal();
  }
}

/** @type {Task | undefined} */
let task;
/** @type {WeakMap<HTMLFormElement, Task>} a form may leave the page and come back */
const tasks = new WeakMap();
const ahead = new Ahead(() => {
  begin();
  welcome();
}, say);

/** Keep the leases of what the page holds. */
function hold() {
  watch([task?.form, ahead.next].filter((form) => form instanceof HTMLFormElement));
}

/** Take up the task that stands in the page. */
function begin() {
  const form = document.getElementById("task");
  task = undefined;
  if (form instanceof HTMLFormElement) {
    task = tasks.get(form) ?? new Task(form);
    tasks.set(form, task);
    void task.reading.written.sync();
  }
  hold();
}

/** What came begins at its top, with the focus where the next act is. */
function welcome() {
  scrollTo({ top: 0, behavior: "instant" });
  const stands = document.getElementById("task");
  if (!stands) return;
  const { ahead: early, stored, skipped, reopened } = stands.dataset;
  if ([early, stored, skipped, reopened].every((word) => word === undefined)) return; // refused: the reasons have the focus
  (task?.cards.marked ?? stands).focus({ preventScroll: true });
  if (reopened !== undefined) return say(gettext("Undone. The task is here again as you left it."));
  const next = task ? gettext("The next task is here.") : gettext("Nothing else waits for you.");
  if (early !== undefined) return say(next); // that it is stored is said when it is
  const done = stored === undefined ? gettext("Skipped.") : gettext("Ranking stored.");
  say(`${done} ${next}`);
}

/** What came in answer to a request. */
function goOn() {
  if (document.getElementById("task") === task?.form) return; // another part of the page came
  ahead.next = null; // it is still assigned, and may be what came
  ahead.asked = null;
  begin();
  welcome();
}

document.addEventListener("keydown", (event) => {
  if (task) press(event, task);
});
// Runs before htmx and the browser: an incomplete ranking is not sent, nor is one sent twice, or
// while the one before it is still on its way.
document.addEventListener(
  "submit",
  (event) => {
    if (event.target !== task?.form || event.submitter?.hasAttribute("formaction")) return;
    if (task.ready) {
      if (ahead.sending) {
        const waiting = task;
        void ahead.sending.then(() => waiting === task && task.submit());
      } else if (!ahead.pass(task.form)) return;
    }
    event.preventDefault();
    event.stopImmediatePropagation();
  },
  { capture: true },
);
// A skip or an undo waits as well. Where the ranking fails, its task is back and the button gone.
document.addEventListener("htmx:confirm", (event) => {
  const { elt, issueRequest } = event.detail;
  if (!ahead.sending || !elt.matches("button[formaction]")) return;
  event.preventDefault();
  void ahead.sending.then(() => elt.isConnected && issueRequest(true));
});
document.addEventListener("htmx:afterSwap", goOn);
// A busy server is asked again: for the ranking, a skip, an undo, and what is kept as it is entered.
document.addEventListener("htmx:afterRequest", ({ detail: { elt, xhr } }) => {
  if (!document.getElementById("task")?.contains(elt)) return; // without a task, it holds an undo
  const send = () => {
    if (elt === task?.form) task.submit();
    else if (elt instanceof HTMLButtonElement) elt.click();
    else task?.form.dispatchEvent(new Event("entered"));
  };
  if (later(elt, xhr, send)) show(withPromise(refusal(xhr.responseText) ?? ""));
});
// Coming back with the browser's Back shows radios that it restored by itself.
addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});
begin();
