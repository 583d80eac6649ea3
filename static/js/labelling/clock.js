/**
 * Seconds at work on a task, without idle time, and the heartbeat that keeps its lease: both stop
 * when nobody has touched the page for a while.
 */

import { token } from "../requests.js";

const TICK = 0.2; // seconds; the whole ones would miss rankings that are clicked through at once
const IDLE = 60; // seconds without a touch after which nobody counts as being at work

let touched = Date.now();
for (const kind of ["pointermove", "pointerdown", "keydown", "wheel", "scroll", "touchmove"]) {
  addEventListener(kind, () => (touched = Date.now()), { capture: true, passive: true });
}

/** @type {HTMLFormElement[]} the task in the page, and the one that is ready */
let held = [];
let beaten = Date.now();

/** @param {HTMLFormElement[]} forms whose leases to keep; seconds are counted for the first */
export function watch(forms) {
  held = forms;
}

setInterval(() => {
  const [form] = held;
  if (!form || document.hidden) return;
  const idle = (Date.now() - touched) / 1000;
  if (idle < IDLE) {
    const seconds = form.elements.namedItem("seconds");
    seconds.value = (Number(seconds.value) + TICK).toFixed(1);
  }
  const beat = Number(form.dataset.beat);
  if (!("alone" in form.dataset) && idle < 3 * beat && Date.now() - beaten > 1000 * beat) {
    beaten = Date.now();
    void keepAlive(form);
  }
}, 1000 * TICK);

/** @param {HTMLFormElement} form */
async function keepAlive(form) {
  const data = new URLSearchParams();
  for (const each of held) data.append("token", each.elements.namedItem("assignment").value);
  try {
    await fetch(form.dataset.alive, {
      method: "POST",
      body: data,
      headers: { "X-CSRFToken": token() ?? "" },
    });
  } catch {
    // the next beat will do
  }
}
