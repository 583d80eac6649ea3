/**
 * Where the prompt scrolls away (on narrow screens), its first line takes the top of the screen,
 * and unfolds to the whole prompt without moving what is being read.
 */

import { beginAtLastTurn } from "./boxes.js";

/** @param {HTMLFormElement} form */
export function keepInSight(form) {
  const asked = form.querySelector(".asked-card");
  const strip = form.querySelector(".asked-strip");
  if (!asked || !(strip instanceof HTMLDetailsElement)) return;
  const texts = asked.querySelectorAll(".text"); // of a chat, the last message is what is answered
  strip.querySelector(".asked-line").textContent = texts[texts.length - 1].textContent.trim();
  const unfold = () => {
    if (!strip.open) return;
    strip.querySelector(".asked-again").replaceChildren(asked.cloneNode(true));
    beginAtLastTurn(strip);
  };
  strip.addEventListener("toggle", unfold);
  form.addEventListener("written", unfold);
  new IntersectionObserver(([entry]) => {
    strip.hidden = entry.isIntersecting || entry.boundingClientRect.top > 0;
    if (strip.hidden) strip.open = false;
  }).observe(asked);
}
