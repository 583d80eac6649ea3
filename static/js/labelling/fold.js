/** Responses much taller than the window are cut, with a button that shows all. */

import { recall, remember } from "./remembered.js";

const TALL = 1.2; // window heights
const FADE = 96; // pixels at the cut, as in reading.css

export class Folds {
  /** @param {HTMLFormElement} form */
  constructor(form) {
    this.task = form.querySelector("[name=assignment]")?.value ?? "";
    this.cards = [...form.querySelectorAll(".response")];
    this.measure();
    for (const card of this.cards) this.#unfoldForWhatIsSought(card);
    form.addEventListener("click", (event) => {
      const button = event.target instanceof Element && event.target.closest("button.fold");
      if (button) this.toggle(button.closest(".response"));
    });
  }

  /** Cut the responses that are tall now, unless they were unfolded. */
  measure() {
    // All are measured before the first is cut, so that the page is laid out once.
    const tall = this.cards.map((card) => textOf(card).scrollHeight > TALL * innerHeight);
    const unfolded = this.#recalled();
    for (const [index, card] of this.cards.entries()) {
      buttonOf(card).hidden = !tall[index];
      this.#draw(card, tall[index] && !unfolded.includes(card.dataset.letter));
    }
  }

  /**
   * Fold or unfold. What is being read stays where it is in the window.
   * @param {HTMLElement} card
   * @returns {boolean} false where the response is shown in full anyway
   */
  toggle(card) {
    const button = buttonOf(card);
    if (button.hidden || !button.offsetParent) return false;
    const folds = !card.hasAttribute("data-folded");
    const before = button.getBoundingClientRect().top;
    this.#draw(card, folds);
    this.#keep(card, folds);
    if (!folds) return true; // the text grows downwards
    if (before > 0 && before < innerHeight) {
      scrollBy({ top: button.getBoundingClientRect().top - before, behavior: "instant" });
    } else if (card.getBoundingClientRect().top < 0) {
      card.scrollIntoView({ block: "start", behavior: "instant" });
    }
    return true;
  }

  /** @param {HTMLElement} card @param {boolean} folded */
  #draw(card, folded) {
    const button = buttonOf(card);
    card.toggleAttribute("data-folded", folded);
    button.setAttribute("aria-expanded", String(!folded));
    button.querySelector(".fold-words").textContent = folded ? card.querySelector("[data-more]").dataset.more : button.dataset.less;
  }

  /**
   * The browser's search and the Tab key go to what the cut hides: then all is shown.
   * @param {HTMLElement} card
   */
  #unfoldForWhatIsSought(card) {
    const text = textOf(card);
    text.addEventListener("scroll", () => {
      const hidden = text.scrollTop;
      if (!hidden || !card.hasAttribute("data-folded")) return;
      this.toggle(card);
      scrollBy({ top: hidden, behavior: "instant" });
    });
    text.addEventListener("focusin", ({ target }) => {
      if (!(target instanceof Element) || target === text) return;
      const cut = text.getBoundingClientRect().bottom - FADE;
      if (card.hasAttribute("data-folded") && target.getBoundingClientRect().top > cut) this.toggle(card);
    });
  }

  /** @returns {string[]} the letters that were unfolded in this task, also before a reload */
  #recalled() {
    const [task, ...letters] = (recall("unfolded", "session") ?? "").split(" ");
    return task === this.task ? letters : [];
  }

  /** @param {HTMLElement} card @param {boolean} folded */
  #keep(card, folded) {
    const others = this.#recalled().filter((letter) => letter !== card.dataset.letter);
    const letters = folded ? others : [...others, card.dataset.letter];
    remember("unfolded", [this.task, ...letters].join(" "), "session");
  }
}

/** @param {Element} card @returns {HTMLElement} */
function textOf(card) {
  return card.querySelector(".text");
}

/** @param {Element} card @returns {HTMLButtonElement} */
function buttonOf(card) {
  return card.querySelector("button.fold");
}
