/** What the page does when a request of htmx goes wrong: it says so, and leaves everything as it is. */

export const UNREACHABLE = gettext(
  "Podium cannot be reached. What you entered is still here; try again.",
);
export const FAULT = gettext("Podium had a fault. What you entered is still here; try again.");
export const SIGNED_OUT = gettext(
  "You are signed out. What you entered is still here: sign in in another tab, then try again.",
);

const region = document.getElementById("problem");
const text = region?.querySelector("p");

/** @param {string} sentence */
export function show(sentence) {
  if (!region || !text || text.textContent === sentence) return;
  text.textContent = sentence;
  region.dataset.shown = "yes";
}

export function clear() {
  if (!region || !text) return;
  text.textContent = "";
  delete region.dataset.shown;
}

/** The token of this browser, which a sign-in elsewhere changes. @returns {string | undefined} */
export function token() {
  return document.cookie.match(/(?:^|; )csrftoken=([^;]+)/)?.[1];
}

/**
 * The words of a refusal page or fragment, as text.
 * @param {string} html
 */
export function refusal(html) {
  const page = new DOMParser().parseFromString(html, "text/html");
  return page.getElementById("refusal")?.textContent?.trim().replace(/\s+/g, " ");
}

/** A part that says nothing of its failures, and nothing of anything else's. @param {CustomEvent} event */
function isSilent(event) {
  return event.detail.elt.matches('[data-quiet="silent"]');
}

document.addEventListener("htmx:beforeSwap", (event) => {
  const { xhr } = event.detail;
  const landed = new URL(xhr.responseURL || location.href).pathname;
  if (landed === document.body.dataset.signIn && landed !== location.pathname) {
    event.detail.shouldSwap = false; // a redirect that htmx followed: the session is over
    show(SIGNED_OUT);
  } else if (isSilent(event)) {
    if (xhr.status >= 400) event.detail.shouldSwap = false;
  } else if (xhr.status >= 400 && xhr.status !== 409 && xhr.status !== 422) {
    event.detail.shouldSwap = false;
    show(refusal(xhr.responseText) ?? FAULT);
  } else {
    clear();
  }
});
// Clear the message before a new attempt, so that a second failure is announced again.
document.addEventListener("htmx:beforeRequest", (event) => {
  if (event.detail.elt instanceof HTMLFormElement) clear();
});
for (const failure of ["htmx:sendError", "htmx:timeout"]) {
  document.addEventListener(failure, (event) => isSilent(event) || show(UNREACHABLE));
}

// Signing in again in another tab changes the CSRF token: send the one in the cookie.
document.addEventListener("htmx:configRequest", (event) => {
  const known = token();
  if (!known) return;
  event.detail.headers["x-csrftoken"] = known;
  if (event.detail.formData.has("csrfmiddlewaretoken")) {
    event.detail.formData.set("csrfmiddlewaretoken", known);
  }
});

// Keep unfolded what the reader has unfolded when the part around it is fetched again. Another task
// begins with its own folds.
/** @type {string[]} */
let unfolded = [];
document.addEventListener("htmx:beforeSwap", (event) => {
  const open = event.detail.target.querySelectorAll("details[id][open]:not(.task *)");
  unfolded = [...open].map((details) => details.id);
});
document.addEventListener("htmx:afterSwap", () => {
  for (const id of unfolded) document.getElementById(id)?.setAttribute("open", "");
  unfolded = [];
});

region?.querySelector("button")?.addEventListener("click", clear);

// A second click would ask for an account whose name the first one has just taken.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!(form instanceof HTMLFormElement) || !("once" in form.dataset)) return;
  if (form.dataset.once === "sent") event.preventDefault();
  form.dataset.once = "sent";
});
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-once]")) form.setAttribute("data-once", "");
});
