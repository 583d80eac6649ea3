/**
 * The ranking of one task. The radio groups of the cards hold it and nothing else does: every way
 * of ranking (radio, key, click, drag) sets radios, and every view is drawn from them.
 */

/** @typedef {Map<string, number | null>} Ranks by letter; null while not ranked */

export class Ranking {
  /** @param {HTMLFormElement} form */
  constructor(form) {
    this.form = form;
    this.tiesAllowed = form.dataset.ties === "allowed";
    /** @type {string[]} */
    this.letters = [...form.querySelectorAll(".response")].map((card) => card.dataset.letter);
    /** @type {Ranks[]} */
    this.history = [];
    this.last = this.ranks();
    /** @type {(change: string) => void} called with a sentence after every change */
    this.onchange = () => {};
  }

  /** @param {string} letter */
  radios(letter) {
    return [...this.form.querySelectorAll(`input[name="rank-${letter}"]`)];
  }

  /**
   * @param {string} letter
   * @returns {number | null}
   */
  rankOf(letter) {
    const checked = this.radios(letter).find((radio) => radio.checked);
    return checked ? Number(checked.value) : null;
  }

  /** @returns {Ranks} */
  ranks() {
    return new Map(this.letters.map((letter) => [letter, this.rankOf(letter)]));
  }

  /** @param {number | null} rank */
  at(rank) {
    return this.letters.filter((letter) => this.rankOf(letter) === rank);
  }

  get missing() {
    return this.at(null);
  }

  get complete() {
    return this.missing.length === 0;
  }

  /** While the ranking or a skip is on its way, nothing is changed: the change would be lost. */
  get isSent() {
    return this.form.matches(".htmx-request") || this.form.querySelector("button.htmx-request") !== null;
  }

  /**
   * Give a response a rank, or take it back with null.
   * @param {string} letter
   * @param {number | null} rank
   */
  place(letter, rank) {
    if (this.isSent) return;
    this.#check(letter, rank);
    this.settle(letter);
  }

  /**
   * Make a change of one response's radios, however it came about, part of the history.
   * Where ties are not allowed, whoever held the rank goes back to the tray.
   * @param {string} letter
   */
  settle(letter) {
    const rank = this.rankOf(letter);
    if (rank === this.last.get(letter)) return;
    const others = rank === null ? [] : this.at(rank).filter((other) => other !== letter);
    if (!this.tiesAllowed) for (const other of others) this.#check(other, null);
    this.history.push(this.last);
    this.last = this.ranks();
    this.onchange(sentence(letter, rank, others, this.tiesAllowed));
  }

  /** Take the last change back. @returns {string | undefined} a letter that changed */
  undo() {
    const before = this.isSent ? undefined : this.history.pop();
    if (!before) return undefined;
    const changed = this.letters.filter((letter) => before.get(letter) !== this.last.get(letter));
    for (const letter of changed) this.#check(letter, before.get(letter) ?? null);
    this.last = before;
    const states = changed.map((letter) => state(letter, before.get(letter) ?? null));
    this.onchange(words(gettext("Undone: %(states)s."), { states: states.join(", ") }));
    return changed[0];
  }

  /** @param {string} letter @param {number | null} rank */
  #check(letter, rank) {
    for (const radio of this.radios(letter)) radio.checked = Number(radio.value) === rank;
  }
}

/** @param {string} letter @param {number | null} rank */
function state(letter, rank) {
  if (rank === null) return words(gettext("%(letter)s not ranked"), { letter });
  return words(gettext("%(letter)s ranked %(rank)s"), { letter, rank });
}

/**
 * @param {string} letter
 * @param {number | null} rank
 * @param {string[]} others
 * @param {boolean} tiesAllowed
 */
function sentence(letter, rank, others, tiesAllowed) {
  const now = state(letter, rank);
  if (others.length === 0) return `${now}.`;
  const names = { now, others: listed(others) };
  if (tiesAllowed) return words(gettext("%(now)s, tied with %(others)s."), names);
  return words(gettext("%(now)s. %(others)s is unranked again: this project allows no ties."), names);
}

/**
 * "A", "A and B", "A, B and C"
 * @param {string[]} letters
 */
export function listed(letters) {
  if (letters.length < 2) return letters.join("");
  const names = { first: letters.slice(0, -1).join(", "), last: letters.at(-1) };
  return words(gettext("%(first)s and %(last)s"), names);
}

/**
 * A translated sentence with its names filled in.
 * @param {string} sentence
 * @param {Record<string, unknown>} names
 */
export function words(sentence, names) {
  return interpolate(sentence, names, true);
}
