/**
 * The switch between formatted texts and their source. The source is fetched when it is first
 * wanted, for all texts of a task at once; the formatted nodes are kept, and so is what is entered.
 */

import { recall, remember } from "./labelling/remembered.js";
import { FAULT, SIGNED_OUT, UNREACHABLE, show } from "./requests.js";
import { written } from "./signs.js";

/** @typedef {import("./signs.js").Range} Range */

/** @type {WeakMap<HTMLElement, Promise<Record<string, string>>>} */
const fetched = new WeakMap();

/** @type {boolean | undefined} chosen on this page; storage may be forbidden */
let chosen;

/** @returns {boolean} whether this browser shows texts as written */
export function isWanted() {
  return chosen ?? recall("as-written") === "yes";
}

/**
 * The source of the texts in an element, by their keys.
 * @param {HTMLElement} root with the address in data-texts
 * @returns {Promise<Record<string, string>>}
 */
export function sourcesOf(root) {
  if (!fetched.has(root)) {
    const sources = load(root.dataset.texts);
    sources.catch(() => fetched.delete(root)); // to be tried again
    fetched.set(root, sources);
  }
  return fetched.get(root);
}

/** @param {string} url */
async function load(url) {
  let answer;
  try {
    answer = await fetch(url, { headers: { Accept: "application/json" } });
  } catch {
    throw new Error(UNREACHABLE);
  }
  if (answer.redirected) throw new Error(SIGNED_OUT);
  if (!answer.ok) throw new Error(FAULT);
  return answer.json();
}

export class Written {
  /**
   * @param {HTMLElement} root
   * @param {(sentence: string) => void} say
   */
  constructor(root, say) {
    this.root = root;
    this.say = say;
    /** @type {WeakMap<Element, ChildNode[]>} the formatted nodes of texts that are shown as written */
    this.formatted = new WeakMap();
    /** @type {(change: () => void) => void} calls `change`, which exchanges the texts */
    this.around = (change) => change();
    root.addEventListener("click", ({ target }) => {
      if (!(target instanceof Element)) return;
      if (target.closest(".as-written")) void this.toggle();
      const seen = target.closest(".see-written");
      if (seen) void this.toggle().then(() => this.#focus(seen));
    });
  }

  get isOn() {
    return this.root.hasAttribute("data-as-written");
  }

  /** @returns {HTMLElement[]} */
  get #texts() {
    return [...this.root.querySelectorAll(".text[data-written]")].filter((text) => !text.closest(".asked-again"));
  }

  async toggle() {
    const on = !this.isOn;
    chosen = on;
    remember("as-written", on ? "yes" : "no");
    if (await this.#set(on)) this.say(on ? gettext("The texts are shown as written.") : gettext("The texts are formatted."));
  }

  /** Show the texts in the form that was chosen last. */
  async sync() {
    if (isWanted() !== this.isOn) await this.#set(isWanted());
  }

  /**
   * Show a text as written, with parts of it marked.
   * @param {HTMLElement} text
   * @param {string} source
   * @param {Range[]} [ranges]
   */
  write(text, source, ranges) {
    if (!this.formatted.has(text)) this.formatted.set(text, [...text.childNodes]);
    text.replaceChildren(written(source, ranges));
  }

  /** @param {boolean} on @returns {Promise<boolean>} whether it is done */
  async #set(on) {
    /** @type {Record<string, string>} */
    let sources = {};
    try {
      if (on) sources = await sourcesOf(this.root);
    } catch (problem) {
      show(problem.message);
      return false;
    }
    if (on === this.isOn) return false; // pressed twice meanwhile
    keepPlace(this.#texts, () => this.around(() => this.#exchange(on, sources)));
    return true;
  }

  /** @param {boolean} on @param {Record<string, string>} sources */
  #exchange(on, sources) {
    for (const text of this.#texts) {
      const source = sources[text.dataset.written];
      if (on && source !== undefined) this.write(text, source);
      else if (this.formatted.has(text)) {
        text.replaceChildren(...this.formatted.get(text));
        this.formatted.delete(text);
      }
    }
    this.root.toggleAttribute("data-as-written", on);
    for (const button of this.root.querySelectorAll(".as-written")) button.setAttribute("aria-pressed", String(on));
    this.root.dispatchEvent(new Event("written"));
  }

  /** The button of a remark is gone: its text takes the focus. @param {Element} button */
  #focus(button) {
    const text = button.parentElement.previousElementSibling;
    const card = text.closest("[tabindex]") ?? text;
    if (card === text) text.tabIndex = -1;
    card.focus({ preventScroll: true });
  }
}

/**
 * Keep the first text in sight where it is in the window, as texts above it change their heights.
 * @param {HTMLElement[]} texts
 * @param {() => void} change
 */
function keepPlace(texts, change) {
  const seen = texts.find((text) => text.getBoundingClientRect().bottom > 0);
  const before = seen?.getBoundingClientRect().top ?? 0;
  change();
  if (seen && before < 0) scrollBy({ top: seen.getBoundingClientRect().top - before, behavior: "instant" });
}
