/** The responses in full beside the forms: they fold, and two are compared, as on the ranking page. */

import { makeReachable } from "../labelling/boxes.js";
import { Cards } from "../labelling/cards.js";
import { Folds } from "../labelling/fold.js";
import { Comparison } from "../labelling/pin.js";
import { Written } from "../written.js";

export class TextsPane {
  /**
   * @param {HTMLElement} pane
   * @param {HTMLElement} root of all texts, the prompt's as well
   * @param {(sentence: string) => void} say
   */
  constructor(pane, root, say) {
    this.pane = pane;
    this.cards = new Cards({ form: pane });
    this.written = new Written(root, say);
    this.folds = new Folds(pane);
    this.comparison = new Comparison(pane, this.cards, this.written, say);
    this.written.around = (exchange) => {
      this.comparison.around(exchange);
      this.#changed(this.comparison.isOpen);
    };
    this.comparison.onchange = (open) => this.#changed(open);
    this.#changed(false);
    void this.written.sync();
  }

  /** @param {boolean} comparing */
  #changed(comparing) {
    if (!comparing) this.folds.measure();
    makeReachable(this.pane);
  }

  /** Show the text of a response, without moving the form beside it. @param {string | undefined} letter */
  show(letter) {
    const card = this.cards.card(letter);
    if (!card) return;
    this.cards.mark(card);
    const { pane } = this;
    if (pane.scrollHeight > pane.clientHeight) pane.scrollTop += card.getBoundingClientRect().top - pane.getBoundingClientRect().top - 8;
  }

  /** @param {string} key @returns {boolean} whether the key means something here */
  press(key) {
    if (key === "c") this.comparison.toggle(this.cards.marked);
    else if (key === "f") return this.folds.toggle(this.cards.marked);
    else if (key === "w") void this.written.toggle();
    else if (key === "Escape" && this.comparison.pinned.length) this.comparison.close();
    else return false;
    return true;
  }
}
