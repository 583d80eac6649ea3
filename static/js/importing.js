/** Upload a dropped or chosen file with a progress bar, and refuse files that are too large. */

import { FAULT, UNREACHABLE, clear, refusal, show } from "./requests.js";

const form = document.getElementById("upload");
if (form instanceof HTMLFormElement) begin(form);

/** @param {HTMLFormElement} form */
function begin(form) {
  const input = form.querySelector("input[type=file]");
  const drop = form.querySelector(".drop");
  if (!(input instanceof HTMLInputElement) || !(drop instanceof HTMLElement)) return;

  for (const name of ["dragenter", "dragover"]) {
    drop.addEventListener(name, (event) => {
      event.preventDefault();
      drop.classList.add("is-over");
    });
  }
  drop.addEventListener("dragleave", () => drop.classList.remove("is-over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("is-over");
    if (event.dataTransfer?.files.length) {
      input.files = event.dataTransfer.files;
      input.focus();
    }
  });

  form.addEventListener("submit", (event) => {
    const file = input.files?.[0];
    if (!file) return; // the browser or the server asks for a file
    event.preventDefault();
    clear();
    if (file.size > Number(form.dataset.most)) {
      show(form.dataset.tooLarge ?? FAULT);
    } else {
      send(form, file.size);
    }
  });
}

/**
 * Send the form, and follow the server's redirect.
 * @param {HTMLFormElement} form
 * @param {number} size
 */
function send(form, size) {
  const sending = form.querySelector(".sending");
  const bar = form.querySelector("progress");
  const said = sending?.querySelector("p");
  const button = form.querySelector("button");
  const request = new XMLHttpRequest();

  /** @param {boolean} busy */
  function mark(busy) {
    sending?.toggleAttribute("hidden", !busy);
    button?.toggleAttribute("disabled", busy);
  }

  request.upload.addEventListener("progress", (event) => {
    const share = Math.min(event.loaded / (event.total || size || 1), 1);
    if (bar) bar.value = share;
    const sent = interpolate(gettext("%(share)s sent"), { share: `${Math.floor(100 * share)}\u202f%` }, true);
    if (said) said.textContent = share < 1 ? sent : gettext("Reading the file…");
  });
  request.addEventListener("load", () => {
    if (request.status < 400 && request.responseURL !== location.href) {
      location.assign(request.responseURL);
      return;
    }
    mark(false);
    const page = new DOMParser().parseFromString(request.responseText, "text/html");
    const problem = page.querySelector(".errorlist")?.textContent?.trim();
    show(problem ?? refusal(request.responseText) ?? FAULT);
  });
  request.addEventListener("error", () => {
    mark(false);
    show(UNREACHABLE);
  });
  request.open("POST", form.action || location.href);
  mark(true);
  request.send(new FormData(form));
}

// The page of an import refreshes itself. Announce each new state to screen readers.
const region = document.getElementById("upload-said");
let last = document.getElementById("progress")?.dataset.state;
document.addEventListener("htmx:afterSwap", () => {
  const state = document.getElementById("progress")?.dataset.state;
  if (!region || state === last) return;
  last = state;
  region.textContent = document.getElementById("now-words")?.textContent?.trim() ?? "";
});
