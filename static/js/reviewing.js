/** A reviewed prompt: long responses fold, two are compared, and keys lead through the list. */

import { makeReachable } from "./labelling/boxes.js";
import { Cards } from "./labelling/cards.js";
import { Folds } from "./labelling/fold.js";
import { Comparison } from "./labelling/pin.js";
import { follow } from "./neighbours.js";
import { Written } from "./written.js";

const said = document.getElementById("said");
const root = document.querySelector(".review-task");

/** Announce a sentence to screen readers. @param {string} sentence */
function say(sentence) {
  if (said) said.textContent = sentence;
}

/** The responses of a prompt, with the folds and the comparison of the ranking page. */
class Responses {
  /** @param {HTMLElement} task */
  constructor(task) {
    this.cards = new Cards({ form: task });
    this.written = new Written(task, say);
    this.folds = new Folds(task);
    this.comparison = new Comparison(task, this.cards, this.written, say);
    this.written.around = (exchange) => {
      this.comparison.around(exchange);
      if (!this.comparison.isOpen) this.folds.measure();
      makeReachable(task);
    };
    this.comparison.onchange = (open) => {
      if (!open) this.folds.measure();
      makeReachable(task);
    };
    makeReachable(task);
    void this.written.sync();
  }

  /** @param {string} key @returns {boolean} whether the key means something here */
  press(key) {
    const { cards, comparison } = this;
    if (key === "j") cards.move(1);
    else if (key === "k") cards.move(-1);
    else if (key === "c") comparison.toggle(cards.marked);
    else if (key === "f") return this.folds.toggle(cards.marked);
    else if (key === "w") void this.written.toggle();
    else if (key === "Escape" && comparison.pinned.length) comparison.close();
    else return false;
    return true;
  }
}

const responses = root instanceof HTMLElement && root.querySelector(".response") ? new Responses(root) : null;

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (document.activeElement?.closest("textarea, select, input:not([type=radio], [type=checkbox])")) return;
  if (!follow(event.key) && !responses?.press(event.key)) return;
  event.preventDefault();
});
