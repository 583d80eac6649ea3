/** Which card is marked: the one that holds the focus, else the one that held it last. */

/** @typedef {import("./ranking.js").Ranking} Ranking */

export class Cards {
  /** @param {Ranking} ranking */
  constructor(ranking) {
    this.ranking = ranking;
    /** @type {HTMLElement[]} */
    this.cards = [...ranking.form.querySelectorAll(".response")];
    this.mark(this.cards[0]);
    ranking.form.addEventListener("focusin", (event) => {
      const card = event.target instanceof Element && event.target.closest(".response");
      if (card instanceof HTMLElement) this.mark(card);
    });
  }

  /** @param {HTMLElement} card */
  mark(card) {
    this.marked = card;
    for (const other of this.cards) {
      if (other === card) other.setAttribute("aria-current", "true");
      else other.removeAttribute("aria-current");
    }
  }

  /** @param {string} letter */
  card(letter) {
    return this.cards.find((card) => card.dataset.letter === letter);
  }

  /** The letter that a key is about: that of the chip or card in focus, else of the marked card. */
  get letter() {
    const focused = document.activeElement?.closest(".task [data-letter]");
    return focused instanceof HTMLElement ? focused.dataset.letter : this.marked.dataset.letter;
  }

  /**
   * Mark the next card (1) or the previous one (-1). The first move into the cards, while the
   * focus is elsewhere, goes from the marked one as well.
   * @param {1 | -1} step
   */
  move(step) {
    const shown = this.cards.filter((card) => card.offsetParent); // a comparison puts others away
    const index = shown.indexOf(this.marked) + step;
    this.show(shown[Math.max(0, Math.min(index, shown.length - 1))]);
  }

  /**
   * Focus a card and bring it into sight, moving the page no more than it takes.
   * @param {HTMLElement | undefined} card
   */
  show(card) {
    if (!card) return;
    card.dispatchEvent(new Event("show", { bubbles: true })); // a comparison makes way for it
    card.focus({ preventScroll: true });
    const tall = card.offsetHeight > innerHeight - 160;
    card.scrollIntoView({ block: tall ? "start" : "nearest", behavior: "instant" });
  }
}
