/** The rankings of a prompt: adjudicate with the forms, and move through the list by keyboard. */

import { Cards } from "../labelling/cards.js";
import { Rail } from "../labelling/rail.js";
import { Ranking, listed, words } from "../labelling/ranking.js";
import { latinKey } from "../latin_key.js";
import { follow } from "../neighbours.js";
import { TextsPane } from "./texts_pane.js";

const said = document.getElementById("said");

/** Announce a sentence to screen readers. @param {string} sentence */
function say(sentence) {
  if (said) said.textContent = sentence;
}

/** A form to adjudicate, with the ranking, rail and cards of the ranking page. */
class AdjudicationForm {
  /** @param {HTMLFormElement} form */
  constructor(form) {
    this.form = form;
    this.ranking = new Ranking(form);
    this.cards = new Cards(this.ranking);
    this.rail = new Rail(this.ranking, say);
    this.ranking.onchange = (change) => {
      this.rail.pick(null);
      say(change);
    };
    form.addEventListener("change", (event) => {
      const card = event.target instanceof Element && event.target.closest(".response");
      if (card instanceof HTMLElement) this.ranking.settle(card.dataset.letter);
    });
    form.querySelector(".undo").addEventListener("click", () => this.ranking.undo());
    form.addEventListener("submit", (event) => this.#submitted(event));
  }

  /** @param {SubmitEvent} event */
  #submitted(event) {
    const { missing, complete } = this.ranking;
    if (complete) return;
    event.preventDefault();
    say(words(gettext("Not ranked yet: %(letters)s."), { letters: listed(missing) }));
    this.cards.show(this.cards.card(missing[0]));
  }

  /** @param {string} key @returns {boolean} true if the form uses the key */
  press(key) {
    const { cards, ranking } = this;
    const focused = document.activeElement?.closest("[data-letter]")?.dataset.letter;
    const letter = ranking.letters.includes(focused) ? focused : cards.letter;
    if (/^[1-9]$/.test(key) && Number(key) <= ranking.letters.length) ranking.place(letter, Number(key));
    else if (key === "0" || key === "Backspace") ranking.place(letter, null);
    else if (key === "j") cards.move(1);
    else if (key === "k") cards.move(-1);
    else if (key === "u") ranking.undo();
    else if (key === "Escape" && this.rail.picked) this.rail.pick(null);
    else return false;
    return true;
  }
}

const forms = [...document.querySelectorAll("form.task")].map((form) => new AdjudicationForm(form));

const root = document.querySelector(".deciding");
const pane = document.querySelector(".texts-pane");
const texts =
  root instanceof HTMLElement && pane instanceof HTMLElement && pane.querySelector(".response")
    ? new TextsPane(pane, root, say)
    : null;

for (const { form } of forms) {
  form.addEventListener("focusin", ({ target }) => {
    const row = target instanceof Element && target.closest("[data-letter]");
    if (row instanceof HTMLElement) texts?.show(row.dataset.letter);
  });
}

/** Return the form with the focus, else the only open form. */
function activeForm() {
  const focused = document.activeElement;
  const holding = forms.find(({ form }) => form.contains(focused));
  const open = forms.filter(({ form }) => form.closest("details")?.open);
  return holding ?? (open.length === 1 ? open[0] : undefined);
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const focused = document.activeElement;
  if (focused?.closest("textarea, select, input:not([type=radio], [type=checkbox])")) return;
  const key = latinKey(event);
  if (!follow(key) && !activeForm()?.press(key) && !texts?.press(key)) return;
  event.preventDefault();
});
// Going back in the browser's history restores the radio buttons.
addEventListener("pageshow", () => {
  for (const { rail } of forms) rail.draw();
});
