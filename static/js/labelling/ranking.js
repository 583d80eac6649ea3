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
    this.fewest = Number(form.dataset.fewest ?? this.letters.length);
    /** @type {{ before: Ranks, letter: string, alone: boolean }[]} alone: only this letter is spoken of */
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

  /** Whether it can be submitted: the others may stay below where the project says so. */
  get complete() {
    return this.letters.length - this.missing.length >= this.fewest;
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
    this.history.push({ before: this.last, letter, alone: false });
    this.last = this.ranks();
    this.onchange(sentence(letter, rank, others, this.tiesAllowed));
  }

  /**
   * Give a response a rank of its own and push the others down. The ranks are then consecutive
   * from 1, and the others keep their order and their ties.
   * @param {string} letter
   * @param {number} rank
   */
  insert(letter, rank) {
    const own = this.rankOf(letter);
    // A response alone on its rank leaves a gap that closes: moved down, it passes the one at `rank`.
    const passes = own !== null && own < rank && this.at(own).length === 1;
    this.insertBefore(letter, passes ? rank + 1 : rank);
  }

  /**
   * Give a response a rank of its own right before the responses that have this one or a worse one.
   * @param {string} letter
   * @param {number} rank
   */
  insertBefore(letter, rank) {
    this.#arrange(letter, this.#levels(letter).filter((level) => level.rank < rank).length);
  }

  /**
   * Move a response by one place: past its neighbour, with which it never ties; out of a tie, to
   * just before or after the rest of it; not ranked and moved up, to the end of the ranking.
   * @param {string} letter
   * @param {1 | -1} step down or up
   * @returns {boolean} false where there is no place to move to
   */
  move(letter, step) {
    const own = this.rankOf(letter);
    const levels = this.#levels(letter);
    const before = own === null ? levels.length : levels.filter(({ rank }) => rank < own).length;
    if (own === null) return step < 0 && this.#arrange(letter, before);
    const isTied = this.at(own).length > 1;
    const index = isTied ? before + (step < 0 ? 0 : 1) : before + step;
    return index >= 0 && index <= levels.length && this.#arrange(letter, index);
  }

  /**
   * The other responses that are ranked, best first, tied ones together.
   * @param {string} letter
   * @returns {{ rank: number, letters: string[] }[]}
   */
  #levels(letter) {
    return this.letters
      .map((_, index) => index + 1)
      .map((rank) => ({ rank, letters: this.at(rank).filter((other) => other !== letter) }))
      .filter(({ letters }) => letters.length > 0);
  }

  /**
   * Number the ranks anew, with a response alone at a place among the others.
   * @param {string} letter
   * @param {number} index of its place
   * @returns {boolean} whether that changed anything
   */
  #arrange(letter, index) {
    if (this.isSent) return true;
    const order = this.#levels(letter).map(({ letters }) => letters);
    order.splice(index, 0, [letter]);
    for (const [place, letters] of order.entries()) {
      for (const each of letters) this.#check(each, place + 1);
    }
    const before = this.last;
    const now = this.ranks();
    if (this.letters.every((each) => now.get(each) === before.get(each))) return false;
    this.history.push({ before, letter, alone: true });
    this.last = now;
    this.onchange(arranged(letter, before, now));
    return true;
  }

  /** Take the last change back. @returns {string | undefined} the letter that it was about */
  undo() {
    const change = this.isSent ? undefined : this.history.pop();
    if (!change) return undefined;
    const { before, letter, alone } = change;
    const changed = this.letters.filter((each) => before.get(each) !== this.last.get(each));
    for (const each of changed) this.#check(each, before.get(each) ?? null);
    this.last = before;
    const states = (alone ? [letter] : changed).map((each) => state(each, before.get(each) ?? null));
    this.onchange(words(gettext("Undone: %(states)s."), { states: states.join(", ") }));
    return letter;
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
 * @param {string} letter
 * @param {Ranks} before
 * @param {Ranks} now
 */
function arranged(letter, before, now) {
  const others = [...now.keys()].filter((other) => other !== letter && now.get(other) !== null);
  const down = others.filter((other) => now.get(other) > before.get(other));
  const up = others.filter((other) => now.get(other) < before.get(other));
  const said = [`${state(letter, now.get(letter))}.`];
  if (down.length) said.push(words(gettext("Moved down: %(letters)s."), { letters: listed(down) }));
  if (up.length) said.push(words(gettext("Moved up: %(letters)s."), { letters: listed(up) }));
  return said.join(" ");
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
