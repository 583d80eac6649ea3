/**
 * Scores and flags by keys: one key says which of the two, the next one gives it. Flags that were
 * used once stay unfolded, on the responses below and in the tasks that follow.
 */

import { words } from "./ranking.js";
import { recall, remember } from "./remembered.js";

/** @typedef {import("./cards.js").Cards} Cards */

const FLAG_KEYS = "123456789abcdefghijklmnopqrstuvwxyz";
const MODIFIERS = ["Shift", "Control", "Alt", "AltGraph", "Meta", "CapsLock"];

export class Entries {
  /**
   * @param {HTMLFormElement} form
   * @param {Cards} cards
   * @param {(sentence: string) => void} say
   */
  constructor(form, cards, say) {
    this.form = form;
    this.cards = cards;
    this.say = say;
    /** @type {HTMLElement | null} the card whose score or flag comes next */
    this.waiting = null;
    if (recall("flags") === "open") this.#unfoldFrom(0);
    /** @type {HTMLElement | null} where a low window folds them beside another response */
    this.switch = form.querySelector(".switch.entries");
    this.switch?.addEventListener("click", () => this.#show(!form.hasAttribute("data-entries")));
    form.addEventListener("click", ({ target }) => {
      const details = target instanceof Element && target.closest(".flags > summary")?.parentElement;
      if (!details) return;
      if (details.open) remember("flags", "folded");
      else this.#used(details.closest(".response"));
    });
    form.addEventListener("change", ({ target }) => {
      if (target instanceof Element && target.closest(".flags")) this.#used(target.closest(".response"));
    });
    for (const kind of ["pointerdown", "focusin"]) form.addEventListener(kind, () => this.#stop());
  }

  /** Wait for the score of a response. @returns {boolean} false where the project has none */
  score() {
    return this.#wait("scores", (inputs) => {
      const names = { letter: this.waiting.dataset.letter, most: inputs.length };
      return words(gettext("Score of %(letter)s: press 1 to %(most)s."), names);
    });
  }

  /** Wait for a flag of a response, with its flags unfolded. @returns {boolean} false where there are none */
  flag() {
    return this.#wait("flags", (inputs) => {
      this.#used(this.waiting);
      inputs[0].closest(".flags").scrollIntoView({ block: "nearest", behavior: "instant" });
      const flags = inputs.map((input, index) => `${FLAG_KEYS[index] ?? ""} ${input.value}`).join(", ");
      return words(gettext("Flags of %(letter)s: %(flags)s."), { letter: this.waiting.dataset.letter, flags });
    });
  }

  /**
   * Take the key that was waited for.
   * @param {string} key
   * @returns {boolean} whether the key is used up
   */
  take(key) {
    const card = this.waiting;
    if (!card || MODIFIERS.includes(key)) return false;
    const inputs = inputsOf(card, card.dataset.awaits);
    const index = key.length === 1 ? FLAG_KEYS.indexOf(key) : -1;
    const input = index >= 0 ? inputs[index] : undefined;
    if (!input && /^\d$/.test(key)) return true; // no rank is given instead
    this.#stop();
    if (!input) return key === "Escape";
    input.checked = input.type === "radio" || !input.checked;
    input.dispatchEvent(new Event("change", { bubbles: true }));
    this.say(words(sentence(input), { letter: card.dataset.letter, value: input.value }));
    return true;
  }

  /**
   * @param {"scores" | "flags"} what
   * @param {(inputs: HTMLInputElement[]) => string} ask does what is to be done, and says what is awaited
   */
  #wait(what, ask) {
    const card = this.cards.card(this.cards.letter);
    const inputs = inputsOf(card, what);
    if (inputs.length === 0) return false;
    this.#stop();
    this.waiting = card;
    this.cards.mark(card);
    card.dataset.awaits = what;
    this.#show(true);
    this.say(ask(inputs));
    return true;
  }

  /** @param {boolean} shown also in a low window, beside another response */
  #show(shown) {
    this.form.toggleAttribute("data-entries", shown);
    this.switch?.setAttribute("aria-pressed", String(shown));
  }

  #stop() {
    this.waiting?.removeAttribute("data-awaits");
    this.waiting = null;
  }

  /** @param {HTMLElement} card */
  #used(card) {
    remember("flags", "open");
    this.#unfoldFrom(this.cards.cards.indexOf(card) + 1); // above, what is being read would move
    const own = card.querySelector(".flags");
    if (this.waiting === card) own.open = true; // else the browser unfolds it itself
  }

  /** @param {number} index of the first card */
  #unfoldFrom(index) {
    for (const card of this.cards.cards.slice(index)) card.querySelector(".flags")?.setAttribute("open", "");
  }
}

/** @param {HTMLElement} card @param {string} what @returns {HTMLInputElement[]} */
function inputsOf(card, what) {
  return [...card.querySelectorAll(`.${what} input`)];
}

/** @param {HTMLInputElement} input */
function sentence(input) {
  if (input.type === "radio") return gettext("%(letter)s scored %(value)s.");
  return input.checked ? gettext("%(letter)s flagged: %(value)s.") : gettext("%(letter)s no longer flagged: %(value)s.");
}
