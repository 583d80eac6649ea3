/**
 * Parts of a page that refresh themselves: <div data-quiet hx-get=… hx-trigger="every 30s, wake">.
 * They rest while nobody sees the page or somebody is in them, and change only if there is news.
 */

/** What each address has answered last. @type {Map<string | null, string>} */
const last = new Map();

document.addEventListener("htmx:beforeRequest", (event) => {
  const part = event.detail.elt;
  if (part.matches("[data-quiet]") && (document.hidden || part.contains(document.activeElement))) {
    event.preventDefault();
  }
});

document.addEventListener("htmx:beforeSwap", (event) => {
  const part = event.detail.elt;
  if (!part.matches("[data-quiet]")) return;
  const address = part.getAttribute("hx-get");
  const text = event.detail.xhr.responseText;
  if (text === last.get(address)) event.detail.shouldSwap = false;
  else last.set(address, text);
});

document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  for (const part of document.querySelectorAll("[data-quiet]")) {
    part.dispatchEvent(new CustomEvent("wake"));
  }
});
