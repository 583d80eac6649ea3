/**
 * Two responses side by side: the cards themselves, so that everything in them works as before, with
 * the others put away, each text scrolling on its own, and the words that only one has marked.
 */

import { recall, remember } from "./remembered.js";
import { FAULT, show } from "../requests.js";
import { sourcesOf } from "../written.js";
import { compare, markFormatted, rangesOf, unmark } from "./words.js";

/** @typedef {import("./cards.js").Cards} Cards */
/** @typedef {import("../written.js").Written} Written */

const LITTLE_IN_COMMON = 0.25; // below, nearly every word would be marked

export class Comparison {
  /**
   * @param {HTMLFormElement} form
   * @param {Cards} cards
   * @param {Written} written
   * @param {(sentence: string) => void} say
   */
  constructor(form, cards, written, say) {
    this.form = form;
    this.cards = cards;
    this.written = written;
    this.say = say;
    /** @type {ReturnType<typeof compare>} of the two that are open */
    this.found = null;
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
    requestAnimationFrame(() => setTimeout(() => void this.#compare()));
  }

  #putAway() {
    this.#takeMarksOff();
    this.found = null;
    for (const card of this.pinned) textOf(card).removeAttribute("tabindex");
    this.form.removeAttribute("data-comparing");
    this.onchange(false);
    scrollTo({ top: this.left, behavior: "instant" });
  }

  #inOrder() {
    return this.cards.cards.filter((card) => this.pinned.includes(card));
  }

  async #compare() {
    const shown = this.#inOrder();
    const sources = await sourcesOf(this.form).catch((problem) => show(problem.message ?? FAULT));
    if (!sources || !this.isOpen || shown.some((card) => !this.pinned.includes(card))) return;
    const [one, other] = shown.map((card) => sources[card.dataset.letter]);
    this.found = compare(one, other);
    const { likeness = null } = this.found ?? {};
    const { tooLong, sameWords, same, likeness: share } = this.bar.dataset;
    const equal = one === other ? same : sameWords;
    this.bar.querySelector(".likeness").textContent =
      likeness === null ? tooLong : likeness === 1 ? equal : share.replace("{share}", percent(likeness));
    const wish = recall("mark-words");
    this.bar.querySelector(".marks").disabled = !this.found;
    if (this.found && (wish ? wish === "yes" : likeness >= LITTLE_IN_COMMON)) this.#mark();
  }

  get #isMarked() {
    return this.bar.querySelector(".marks").getAttribute("aria-pressed") === "true";
  }

  /** Mark what differs, in the form in which the texts are shown. */
  #mark() {
    let all = true;
    for (const [index, card] of this.#inOrder().entries()) {
      const side = this.found.sides[index];
      if (this.written.isOn) this.written.write(textOf(card), side.source, rangesOf(side));
      else all = markFormatted(textOf(card), side) && all;
    }
    this.bar.querySelector(".marks").setAttribute("aria-pressed", "true");
    this.bar.querySelector(".unseen").hidden = all;
  }

  #takeMarksOff() {
    for (const card of this.pinned) unmark(textOf(card));
    this.bar.querySelector(".marks").setAttribute("aria-pressed", "false");
    this.bar.querySelector(".unseen").hidden = true;
  }

  /** Mark what differs again after the texts were exchanged. @param {() => void} exchange */
  around(exchange) {
    const isMarked = this.isOpen && this.#isMarked;
    if (isMarked) this.#takeMarksOff();
    exchange();
    if (isMarked && this.found) this.#mark();
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
    this.bar.querySelector(".unseen").hidden = true;
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
      const marks = !this.#isMarked;
      remember("mark-words", marks ? "yes" : "no");
      if (marks) this.#mark();
      else this.#takeMarksOff();
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
  return `${Math.min(99, Math.round(100 * share))}\u202f%`;
}

/** The letters of cards put into a sentence of the template. @param {string} sentence @param {HTMLElement[]} cards */
function filled(sentence, cards) {
  const [first, second] = cards.map((card) => card.dataset.letter);
  return sentence.replace("{letter}", first).replace("{other}", second ?? "");
}
