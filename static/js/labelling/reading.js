/** What helps to read a task: folds, two responses side by side, the guidelines, boxes that scroll. */

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
    this.folds = new Folds(form);
    this.guidelines = new Guidelines(form);
    this.comparison = new Comparison(form, cards, say);
    this.comparison.onchange = (open) => {
      this.guidelines.comparing = open;
      this.guidelines.adapt();
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
