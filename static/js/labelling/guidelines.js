/**
 * The guidelines: beside the work on wide windows, where they stay open from task to task; elsewhere
 * a sheet over it, which goes as soon as the work goes on. On somebody's first task of a project
 * they are open between what is asked and the responses.
 */

import { recall, remember } from "./remembered.js";

const wide = matchMedia("(width >= 1120px)");

/** @type {WeakMap<Element, Guidelines>} a task may leave the page and come back */
const panes = new WeakMap();
wide.addEventListener("change", () => panes.get(document.querySelector("#guidelines"))?.adapt());

export class Guidelines {
  /** @param {HTMLFormElement} form */
  constructor(form) {
    /** @type {HTMLDetailsElement | null} */
    this.details = form.querySelector("#guidelines");
    this.comparing = false;
    if (!this.details) return;
    panes.set(this.details, this);
    this.isFirst = this.#recallFirst(form);
    this.details.querySelector("summary").addEventListener("click", () => {
      if (this.isSheet) return;
      if (wide.matches) remember("guidelines", this.details.open ? "closed" : "open");
      this.#leaveFirst();
    });
    this.details.addEventListener("keydown", (event) => this.#pressed(event));
    this.details.addEventListener("focusout", ({ relatedTarget }) => {
      const leaves = relatedTarget instanceof Element && !this.details.contains(relatedTarget);
      if (leaves && this.isSheet) this.details.open = false;
    });
    form.addEventListener("click", ({ target }) => {
      if (target instanceof Element && target.closest("[data-shows=guidelines]")) this.toggle();
    });
    this.adapt();
  }

  get isSheet() {
    return this.details.hasAttribute("data-sheet");
  }

  /** Pane or sheet: as there is room. */
  adapt() {
    if (!this.details) return;
    const sheet = this.comparing || !(wide.matches || this.isFirst);
    this.details.toggleAttribute("data-sheet", sheet);
    this.details.open = !sheet && (this.isFirst || recall("guidelines") === "open");
  }

  /**
   * Return whether this is its labeller's first task. The page of the next one says so as well,
   * because it is fetched before the first is stored.
   * @param {HTMLFormElement} form
   */
  #recallFirst(form) {
    const whose = this.details.dataset.first;
    if (!whose) return false;
    const task = form.querySelector("[name=assignment]").value;
    this.firstKey = `first-guidelines-${whose}`;
    const first = recall(this.firstKey) ?? task;
    remember(this.firstKey, first);
    return first === task;
  }

  /** From now on they open as they do in every other task. */
  #leaveFirst() {
    if (!this.isFirst) return;
    this.isFirst = false;
    remember(this.firstKey, "folded");
    this.details.toggleAttribute("data-sheet", !wide.matches);
  }

  /** @returns {boolean} false where the project has none */
  toggle() {
    if (!this.details) return false;
    const summary = this.details.querySelector("summary");
    const before = document.activeElement;
    // Open where they may be out of sight: over the work, then.
    if (this.isFirst && !wide.matches && !this.isSheet) this.#leaveFirst();
    else summary.click();
    if (!this.isSheet) return true; // the work keeps the focus
    if (!this.details.open) this.#goBack();
    else {
      this.before = before;
      summary.focus({ preventScroll: true });
    }
    return true;
  }

  /** @param {KeyboardEvent} event */
  #pressed(event) {
    if (event.key !== "Escape" || !this.isSheet || !this.details.open) return;
    event.stopPropagation();
    this.details.open = false;
    this.#goBack();
  }

  #goBack() {
    if (this.before instanceof HTMLElement) this.before.focus({ preventScroll: true });
    this.before = null;
  }
}
