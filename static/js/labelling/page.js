/** The ranking page: puts ranking, rail, cards and keys together for each task that comes in. */

import { Cards } from "./cards.js";
import { press } from "./keys.js";
import { Rail } from "./rail.js";
import { Ranking, listed } from "./ranking.js";
import { Reading } from "./reading.js";
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
    this.reading = new Reading(form, this.cards, say);
    keepInSight(form);
    this.ranking.onchange = (change) => this.#changed(change);
    form.addEventListener("change", (event) => {
      const card = event.target instanceof Element && event.target.closest(".response");
      if (card instanceof HTMLElement) this.ranking.settle(card.dataset.letter);
    });
    form.addEventListener("click", (event) => this.#clicked(event));
    form.querySelector("#note-text").addEventListener("input", () => this.#entered());
  }

  /** Has what is entered kept on the server: see the draft's element in _task.html. */
  #entered() {
    this.form.dispatchEvent(new Event("entered"));
  }

  undo() {
    const letter = this.ranking.undo();
    if (!letter) say("Nothing to undo.");
    else if (document.activeElement?.closest(".response")) this.cards.show(this.cards.card(letter));
    else this.cards.mark(this.cards.card(letter));
  }

  submit() {
    this.form.requestSubmit();
  }

  /** @returns {boolean} whether the form may go out now */
  get ready() {
    if (this.ranking.isSent) return false;
    const { missing, complete } = this.ranking;
    if (!complete) {
      say(`Not yet: ${listed(missing)} still to rank.`);
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
    this.form.querySelector(".stored")?.remove();
    say(this.ranking.complete ? `${change} Every response has a rank: press Enter to submit.` : change);
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

/** Take up the task that stands in the page. */
function begin() {
  const form = document.getElementById("task");
  task = form instanceof HTMLFormElement ? new Task(form) : undefined;
}

/** What came in answer to a submit begins at its top, with the focus where the next act is. */
function goOn() {
  if (document.getElementById("task") === task?.form) return; // another part of the page came
  begin();
  scrollTo({ top: 0, behavior: "instant" });
  const stands = document.getElementById("task");
  if (!stands || !("stored" in stands.dataset)) return; // refused: the reasons have the focus
  (task?.cards.marked ?? stands).focus({ preventScroll: true });
  say(task ? "Ranking stored. The next task is here." : "Ranking stored. Nothing else waits for you.");
}

document.addEventListener("keydown", (event) => {
  if (task) press(event, task);
});
// Before htmx and the browser see it: an incomplete ranking does not go out, nor one twice.
document.addEventListener(
  "submit",
  (event) => {
    if (event.target !== task?.form || task.ready) return;
    event.preventDefault();
    event.stopImmediatePropagation();
  },
  { capture: true },
);
document.addEventListener("htmx:afterSwap", goOn);
// Coming back with the browser's Back shows radios that it restored by itself.
addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});
begin();
