/** The rail: lanes and tray as a view of the radios, and the two ways of ranking that it offers. */

import { listed, words } from "./ranking.js";

/** @typedef {import("./ranking.js").Ranking} Ranking */

export class Rail {
  /**
   * @param {Ranking} ranking
   * @param {(sentence: string) => void} say
   */
  constructor(ranking, say) {
    this.ranking = ranking;
    this.form = ranking.form;
    this.say = say;
    /** @type {string | null} the letter that the next click on a lane will place */
    this.picked = null;
    /** @type {HTMLButtonElement[]} before each rank, and after the last */
    this.betweens = [...this.form.querySelectorAll(".between")];
    /** @type {HTMLElement[]} */
    this.places = [...this.form.querySelectorAll(".lane, .tray")];
    this.chips = new Map(
      [...this.form.querySelectorAll("button.chip")].map((chip) => [chip.dataset.letter, chip]),
    );
    this.form.addEventListener("click", (event) => this.#clicked(event));
    this.#letDrag();
    this.draw();
  }

  /** Make everything beside the radios show what the radios hold. */
  draw() {
    const focused = document.activeElement;
    for (const place of this.places) this.#drawPlace(place);
    if (focused instanceof HTMLElement && focused.classList.contains("chip")) {
      focused.focus({ preventScroll: true });
    }
    this.#drawBetweens(this.picked);
    this.#drawCards();
    this.#drawSubmit();
  }

  /**
   * Show the places between ranks at which inserting the letter would change the order.
   * @param {string | null} letter the one that is picked or dragged
   */
  #drawBetweens(letter) {
    const { ranking } = this;
    for (const between of this.betweens) {
      const rank = Number(between.dataset.before);
      const isEnd = rank > ranking.letters.length;
      const others = ranking.at(isEnd ? rank - 1 : rank).filter((other) => other !== letter);
      const above = isEnd ? [] : ranking.at(rank - 1);
      const isOwn = above.length === 1 && above[0] === letter; // it would stay where it is
      between.hidden = letter === null || others.length === 0 || isOwn;
      if (between.hidden) continue;
      const label = isEnd ? gettext("Insert %(letter)s after %(others)s") : gettext("Insert %(letter)s before %(others)s");
      between.setAttribute("aria-label", words(label, { letter, others: listed(others) }));
    }
  }

  /** @param {string | null} letter */
  pick(letter) {
    this.picked = letter;
    this.form.toggleAttribute("data-picking", letter !== null);
    for (const [own, chip] of this.chips) chip.setAttribute("aria-pressed", String(own === letter));
    this.draw();
    if (letter) this.say(words(gettext("%(letter)s chosen. Now choose its rank."), { letter }));
  }

  /** @param {HTMLElement} place */
  #drawPlace(place) {
    const rank = rankOf(place);
    const letters = this.ranking.at(rank);
    for (const letter of letters) {
      const chip = this.chips.get(letter);
      const label = rank
        ? gettext("Response %(letter)s, rank %(rank)s")
        : gettext("Response %(letter)s, not ranked");
      chip.setAttribute("aria-label", words(label, { letter, rank }));
      if (rank === null) place.querySelector(".missing").before(chip);
      else place.append(chip);
    }
    place.classList.toggle("filled", letters.length > 0);
    place.querySelector(".place").setAttribute("aria-label", this.#placeLabel(rank, letters));
  }

  /** @param {number | null} rank @param {string[]} letters */
  #placeLabel(rank, letters) {
    const names = { rank, picked: this.picked, letters: listed(letters) };
    if (this.picked) {
      if (rank === null) return words(gettext("Take the rank of %(picked)s back"), names);
      return words(gettext("Give %(picked)s rank %(rank)s"), names);
    }
    if (rank === null) {
      return words(letters.length ? gettext("Not ranked: %(letters)s") : gettext("Not ranked, empty"), names);
    }
    const label = letters.length ? gettext("Rank %(rank)s: %(letters)s") : gettext("Rank %(rank)s, empty");
    return words(label, names);
  }

  #drawCards() {
    for (const card of this.form.querySelectorAll(".response")) {
      card.classList.toggle("ranked", this.ranking.rankOf(card.dataset.letter) !== null);
    }
  }

  #drawSubmit() {
    const { missing, complete } = this.ranking;
    const submit = this.form.querySelector(".submit");
    submit.setAttribute("aria-disabled", String(!complete));
    const text = this.form.querySelector(".missing");
    const rest = complete ? gettext("below the others") : gettext("to rank");
    text.textContent = missing.length ? rest : gettext("Every response has a rank");
    const title = gettext("To rank: %(letters)s");
    submit.title = complete ? "" : words(title, { letters: listed(missing) });
    this.form.querySelector(".undo").disabled = this.ranking.history.length === 0;
  }

  /** @param {MouseEvent} event */
  #clicked(event) {
    if (!(event.target instanceof Element)) return;
    const chip = event.target.closest("button.chip");
    const place = event.target.closest(".between, .lane, .tray");
    if (chip instanceof HTMLElement && this.#picks(chip)) {
      this.pick(chip.dataset.letter === this.picked ? null : chip.dataset.letter);
    } else if (place instanceof HTMLElement) {
      if (this.picked) this.#drop(this.picked, place);
      else this.say(gettext("Choose a letter first, then its rank."));
    }
  }

  /**
   * Return whether a click picks this chip. While another chip is picked, a click on a chip in a
   * lane counts as a click on the lane, and makes a tie.
   * @param {HTMLElement} chip
   */
  #picks(chip) {
    return this.picked === null || chip.dataset.letter === this.picked || chip.closest(".tray");
  }

  /** @param {string} letter @param {HTMLElement} place */
  #drop(letter, place) {
    const hadFocus = place === document.activeElement;
    this.pick(null);
    if (!place.matches(".between")) return this.ranking.place(letter, rankOf(place));
    this.ranking.insertBefore(letter, Number(place.dataset.before));
    if (!hadFocus) return; // else it goes where it is after a click on a lane
    this.chips.get(letter).parentElement.querySelector(".place").focus({ preventScroll: true });
  }

  #letDrag() {
    if (typeof Sortable === "undefined") return;
    const options = {
      draggable: ".chip",
      sort: false,
      forceFallback: true, // one way for mouse, pen and finger, in every browser
      fallbackOnBody: true, // the rail scrolls where it is long: a dragged chip must leave it
      fallbackTolerance: 4, // less is a click
      onStart: ({ item, from }) => this.#startsDrag(letterOf(item, from)),
      onEnd: (event) => this.#dragged(event),
    };
    for (const place of this.places) Sortable.create(place, { ...options, group: "rail" });
    for (const handle of this.form.querySelectorAll(".handle")) {
      const group = { name: "rail", pull: "clone", put: false };
      Sortable.create(handle, { ...options, group });
    }
  }

  /** @param {string | undefined} letter */
  #startsDrag(letter) {
    this.form.setAttribute("data-picking", "");
    this.#drawBetweens(letter ?? null);
    document.addEventListener("pointermove", this.#showBetween, { passive: true });
  }

  /** A finger does not hover: where a dragged chip would be inserted is marked by hand. @param {PointerEvent} event */
  #showBetween = (event) => {
    const place = placeUnder(event);
    for (const between of this.betweens) between.toggleAttribute("data-over", between === place);
  };

  /**
   * Use the place under the pointer at the end of the drag. Sortable itself looks only now and
   * then, and misses a quick movement.
   * @param {{ item: HTMLElement, from: HTMLElement, originalEvent: MouseEvent | TouchEvent }} event
   */
  #dragged({ item, from, originalEvent }) {
    const place = placeUnder(originalEvent);
    document.removeEventListener("pointermove", this.#showBetween);
    this.form.removeAttribute("data-picking");
    for (const between of this.betweens) between.removeAttribute("data-over");
    giveSortableItsClick();
    if (from.classList.contains("handle")) from.replaceChildren(item); // its card keeps its letter
    const letter = letterOf(item, from);
    if (place && place !== from && letter) this.#drop(letter, place);
    else this.draw();
  }
}

/**
 * Sortable swallows the click that it expects after a drag. Where the browser sends none (after
 * touch, or because the chip has moved), it would swallow the next one that is meant.
 */
function giveSortableItsClick() {
  setTimeout(() => document.dispatchEvent(new MouseEvent("click", { cancelable: true })));
}

/** @param {MouseEvent | TouchEvent} event */
function placeUnder(event) {
  const { clientX, clientY } = "changedTouches" in event ? event.changedTouches[0] : event;
  const place = document.elementFromPoint(clientX, clientY)?.closest(".between, .lane, .tray");
  return place instanceof HTMLElement ? place : null;
}

/** @param {HTMLElement} item @param {HTMLElement} from @returns {string | undefined} */
function letterOf(item, from) {
  return from.dataset.letter ?? item.dataset.letter;
}

/** @param {HTMLElement} place @returns {number | null} */
function rankOf(place) {
  return place.dataset.rank ? Number(place.dataset.rank) : null;
}
