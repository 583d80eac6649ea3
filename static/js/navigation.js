/** The header's menus, and rows of links that are wider than the screen. */

/**
 * Mark the ends beyond which there is more to scroll to; the style sheet fades them out.
 * @param {HTMLElement} nav
 */
function mark(nav) {
  const before = nav.scrollLeft > 1;
  const after = nav.scrollLeft < nav.scrollWidth - nav.clientWidth - 1;
  if (before || after) nav.dataset.more = [before && "before", after && "after"].filter(Boolean).join(" ");
  else delete nav.dataset.more;
}

for (const nav of document.querySelectorAll(".tabs")) {
  if (!(nav instanceof HTMLElement)) continue;
  const shown = nav.querySelector("[aria-current]");
  shown?.scrollIntoView({ block: "nearest", inline: "center", behavior: "instant" });
  nav.addEventListener("scroll", () => mark(nav), { passive: true });
  addEventListener("resize", () => mark(nav));
  mark(nav);
}

const OPEN = "details.dropdown[open]";

/** Close the open menus but one. @param {Element | null} kept */
function close(kept) {
  for (const menu of document.querySelectorAll(OPEN)) {
    if (menu !== kept) menu.removeAttribute("open");
  }
}

// Opening one closes the others. Browsers that support named groups of details do so themselves.
document.addEventListener(
  "toggle",
  (event) => {
    const menu = event.target;
    if (menu instanceof HTMLDetailsElement && menu.matches(OPEN)) close(menu);
  },
  true,
);

document.addEventListener("click", (event) => {
  if (event.target instanceof Element) close(event.target.closest(OPEN));
});

document.addEventListener("focusin", (event) => {
  if (event.target instanceof Element) close(event.target.closest(OPEN));
});

/** Whoever leaves a menu by Escape is back at its name. @param {KeyboardEvent} event */
function leave(event) {
  const menu = document.querySelector(OPEN);
  if (event.key !== "Escape" || !menu) return;
  event.stopImmediatePropagation();
  menu.removeAttribute("open");
  menu.querySelector("summary")?.focus();
}
addEventListener("keydown", leave, true);

/** The arrow keys go through the links of an open menu. @param {KeyboardEvent} event */
function walk(event) {
  const menu = event.target instanceof Element ? event.target.closest("details.dropdown") : null;
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!(menu instanceof HTMLDetailsElement) || !step || event.altKey || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  menu.open = true;
  const stops = [...menu.querySelectorAll(":is(a, button)")];
  const at = stops.indexOf(/** @type {Element} */ (document.activeElement));
  const next = stops.at(at < 0 && step < 0 ? -1 : (at + step) % stops.length);
  if (next instanceof HTMLElement) next.focus();
}
addEventListener("keydown", walk, true);
