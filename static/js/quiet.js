/**
 * Parts of a page that refresh themselves: <div data-quiet hx-get=… hx-trigger="every 30s, wake">.
 * They rest while nobody sees the page or somebody is in them, and change only if there is news.
 */

/** @type {string | undefined} */
let last;

document.addEventListener("htmx:beforeRequest", (event) => {
  const part = event.detail.elt;
  if (part.matches("[data-quiet]") && (document.hidden || part.contains(document.activeElement))) {
    event.preventDefault();
  }
});

document.addEventListener("htmx:beforeSwap", (event) => {
  if (!event.detail.elt.matches("[data-quiet]")) return;
  const text = event.detail.xhr.responseText;
  if (text === last) event.detail.shouldSwap = false;
  else last = text;
});

document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  for (const part of document.querySelectorAll("[data-quiet]")) {
    part.dispatchEvent(new CustomEvent("wake"));
  }
});
