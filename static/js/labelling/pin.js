/**
 * Two responses side by side: the cards themselves, so that everything in them works as before, with
 * the others put away, each text scrolling on its own, and the words that only one has marked.
 */

import { recall, remember } from "./remembered.js";
import { compare, mark, unmark } from "./words.js";

/** @typedef {import("./cards.js").Cards} Cards */

const LITTLE_IN_COMMON = 0.25; // below, nearly every word would be marked

export class Comparison {
  /**
   * @param {HTMLFormElement} form
   * @param {Cards} cards
   * @param {(sentence: string) => void} say
   */
  constructor(form, cards, say) {
    this.form = form;
    this.cards = cards;
    this.say = say;
    /** @type {HTMLElement} */
    this.bar = form.querySelector(".comparison");
    /** @type {HTMLElement[]} at most two, the one pinned last at the end */
    this.pinned = [];
    this.together = recall("scroll-together") === "yes";
    /** @type {(open: boolean) => void} called when the comparison opens and closes */
    this.onchange = () => {};
    form.addEventListener("click", (event) => this.#clicked(event));
    form.addEventListener("show", ({ target }) => {
      if (this.isOpen && !this.pinned.includes(target)) this.close();
    });
    form.addEventListener("focusin", ({ target }) => {
      if (this.isOpen && this.pinned.includes(target)) textOf(target).focus({ preventScroll: true });
    });
    form.addEventListener("scroll", ({ target }) => this.#follow(target), { capture: true });
  }

  get isOpen() {
    return this.form.hasAttribute("data-comparing");
  }

  /** Pin a card, or take its pin off. The second one opens the comparison. @param {HTMLElement} card */
  toggle(card) {
    const isPinned = this.pinned.includes(card);
    if (this.isOpen && !isPinned) return this.#swap(card);
    const wasOpen = this.isOpen;
    if (wasOpen) this.#putAway();
    this.pinned = isPinned ? this.pinned.filter((other) => other !== card) : [...this.pinned, card];
    if (this.pinned.length === 2) this.#open(card);
    else this.#draw();
    if (this.isOpen) return;
    if (wasOpen) this.#goBack(this.pinned[0]);
    if (this.pinned.length) this.say(filled(this.bar.dataset.waits, this.pinned));
  }

  /** Back to all responses, at the place that was left. */
  close() {
    const isOpen = this.isOpen;
    if (isOpen) this.#putAway();
    this.pinned = [];
    this.#draw();
    if (isOpen) this.#goBack(this.cards.marked);
  }

  /** The focus goes to a card; the page moves only where none of it is in sight. @param {HTMLElement} card */
  #goBack(card) {
    const { top, bottom } = card.getBoundingClientRect();
    if (top < innerHeight - 120 && bottom > 60) card.focus({ preventScroll: true });
    else this.cards.show(card);
  }

  /** @param {HTMLElement} card the one to go on with */
  #open(card) {
    if (!this.isOpen) this.left = scrollY;
    this.form.setAttribute("data-comparing", "");
    this.#draw();
    this.onchange(true);
    for (const shown of this.pinned) {
      textOf(shown).tabIndex = 0; // it scrolls on its own now
      textOf(shown).scrollTop = 0;
    }
    this.cards.show(card);
    textOf(card).focus({ preventScroll: true }); // where the card had the focus already
    this.say(filled(this.bar.dataset.shown, this.#inOrder()));
    // Once the two can be seen: finding the words may take a moment.
    requestAnimationFrame(() => setTimeout(() => this.#compare()));
  }

  #putAway() {
    for (const card of this.pinned) {
      unmark(textOf(card));
      textOf(card).removeAttribute("tabindex");
    }
    this.form.removeAttribute("data-comparing");
    this.onchange(false);
    scrollTo({ top: this.left, behavior: "instant" });
  }

  #inOrder() {
    return this.cards.cards.filter((card) => this.pinned.includes(card));
  }

  #compare() {
    if (!this.isOpen) return;
    const found = this.#find();
    const { likeness = null } = found ?? {};
    const { tooLong, same, likeness: share } = this.bar.dataset;
    this.bar.querySelector(".likeness").textContent =
      likeness === null ? tooLong : likeness === 1 ? same : share.replace("{share}", percent(likeness));
    const wish = recall("mark-words");
    const marks = this.bar.querySelector(".marks");
    marks.disabled = !found;
    if (found && (wish ? wish === "yes" : likeness >= LITTLE_IN_COMMON)) this.#showMarks(found);
  }

  #find() {
    const [one, other] = this.#inOrder().map(textOf);
    return compare(one, other);
  }

  /** @param {ReturnType<typeof compare>} found null takes the marks off */
  #showMarks(found) {
    if (found) mark(found.words);
    else for (const card of this.pinned) unmark(textOf(card));
    this.bar.querySelector(".marks").setAttribute("aria-pressed", String(Boolean(found)));
  }

  /** Make cards, their buttons and the bar show what is pinned. */
  #draw() {
    const waiting = this.pinned.length === 1 ? this.pinned : [];
    const { compare: plain, with: second, waiting: first, other } = this.bar.dataset;
    this.bar.hidden = !this.isOpen;
    for (const card of this.cards.cards) {
      const isPinned = this.pinned.includes(card);
      card.toggleAttribute("data-pinned", isPinned);
      const button = card.querySelector("button.compare");
      button.setAttribute("aria-pressed", String(isPinned));
      const words = this.isOpen ? other : isPinned ? first : waiting.length ? filled(second, waiting) : plain;
      button.querySelector(".compare-words").textContent = words;
    }
    for (const pick of this.bar.querySelectorAll(".pick")) {
      const shown = this.pinned.some((card) => card.dataset.letter === pick.dataset.pick);
      pick.setAttribute("aria-pressed", String(shown));
    }
    this.bar.querySelector(".marks").setAttribute("aria-pressed", "false");
    this.bar.querySelector(".together").setAttribute("aria-pressed", String(this.together));
    this.bar.querySelector(".likeness").textContent = "";
  }

  /** @param {MouseEvent} event */
  #clicked(event) {
    const button = event.target instanceof Element && event.target.closest("button");
    if (!(button instanceof HTMLElement)) return;
    if (button.matches(".compare")) this.toggle(button.closest(".response"));
    else if (button.matches(".pick")) this.#swap(this.cards.card(button.dataset.pick));
    else if (button.matches(".close-comparison")) this.close();
    else if (button.matches(".marks")) {
      const shown = button.getAttribute("aria-pressed") !== "true";
      remember("mark-words", shown ? "yes" : "no");
      this.#showMarks(shown ? this.#find() : null);
    } else if (button.matches(".together")) {
      this.together = !this.together;
      remember("scroll-together", this.together ? "yes" : "no");
      button.setAttribute("aria-pressed", String(this.together));
    }
  }

  /** Show another response beside the marked one. @param {HTMLElement | undefined} card */
  #swap(card) {
    if (!card || this.pinned.includes(card)) return;
    const stays = this.pinned.includes(this.cards.marked) ? this.cards.marked : this.pinned[0];
    const { left } = this;
    this.#putAway();
    this.pinned = [stays, card];
    this.#open(card);
    this.left = left;
  }

  /** The other text goes along by the same share of its height. @param {EventTarget | null} target */
  #follow(target) {
    if (!this.isOpen || !this.together || !(target instanceof HTMLElement)) return;
    const card = this.pinned.find((shown) => textOf(shown) === target);
    if (!card || this.led === target) {
      this.led = null; // its own scrolling, in answer to the other's
      return;
    }
    const other = textOf(this.pinned.find((shown) => shown !== card));
    const share = target.scrollTop / Math.max(1, target.scrollHeight - target.clientHeight);
    const top = Math.round(share * (other.scrollHeight - other.clientHeight));
    if (Math.abs(other.scrollTop - top) < 1) return;
    this.led = other;
    other.scrollTop = top;
  }
}

/** @param {Element} card @returns {HTMLElement} */
function textOf(card) {
  return card.querySelector(".text");
}

/** @param {number} share */
function percent(share) {
  return String(Math.min(99, Math.round(100 * share)));
}

/** The letters of cards put into a sentence of the template. @param {string} sentence @param {HTMLElement[]} cards */
function filled(sentence, cards) {
  const [first, second] = cards.map((card) => card.dataset.letter);
  return sentence.replace("{letter}", first).replace("{other}", second ?? "");
}
