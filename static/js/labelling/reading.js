/** What helps to read a task: folds, two responses side by side, the guidelines, boxes that scroll. */

import { Written } from "../written.js";
import { beginAtLastTurn, makeReachable } from "./boxes.js";
import { Folds } from "./fold.js";
import { Guidelines } from "./guidelines.js";
import { Comparison } from "./pin.js";

/** @typedef {import("./cards.js").Cards} Cards */

export class Reading {
  /**
   * @param {HTMLFormElement} form
   * @param {Cards} cards
   * @param {(sentence: string) => void} say
   */
  constructor(form, cards, say) {
    this.cards = cards;
    this.isStale = false; // the texts were exchanged while most responses were put away
    this.folds = new Folds(form);
    this.guidelines = new Guidelines(form);
    this.written = new Written(form, say);
    this.comparison = new Comparison(form, cards, this.written, say);
    this.written.around = (exchange) => {
      this.comparison.around(exchange);
      if (this.comparison.isOpen) this.isStale = true;
      else this.folds.measure();
      makeReachable(form);
    };
    this.comparison.onchange = (open) => {
      this.guidelines.comparing = open;
      this.guidelines.adapt();
      if (!open && this.isStale) this.folds.measure(); // the other responses can be measured again
      this.isStale &&= open;
      beginAtLastTurn(form);
      if (open) makeReachable(form); // boxes are narrower now
    };
    makeReachable(form);
    beginAtLastTurn(form);
  }

  fold() {
    return this.folds.toggle(this.cards.card(this.cards.letter));
  }

  pin() {
    this.comparison.toggle(this.cards.card(this.cards.letter));
  }

  write() {
    void this.written.toggle();
  }

  guide() {
    return this.guidelines.toggle();
  }

  /** Leave the comparison, or take a single pin off. @returns {boolean} whether there was one */
  leave() {
    const any = this.comparison.pinned.length > 0;
    if (any) this.comparison.close();
    return any;
  }

  /** Whether the arrow keys scroll what is in focus. @param {Element | null} focused */
  scrolls(focused) {
    return this.comparison.isOpen && Boolean(focused?.matches(".text"));
  }
}
