/** Where a row of links is wider than the screen: begin at the page that is shown, and show that there is more. */

/**
 * Name the ends behind which there is more: the style sheet lets them fade.
 * @param {HTMLElement} nav
 */
function mark(nav) {
  const before = nav.scrollLeft > 1;
  const after = nav.scrollLeft < nav.scrollWidth - nav.clientWidth - 1;
  if (before || after) nav.dataset.more = [before && "before", after && "after"].filter(Boolean).join(" ");
  else delete nav.dataset.more;
}

for (const nav of document.querySelectorAll(".top nav, .tabs")) {
  if (!(nav instanceof HTMLElement)) continue;
  const shown = nav.querySelector("[aria-current]");
  shown?.scrollIntoView({ block: "nearest", inline: "center", behavior: "instant" });
  nav.addEventListener("scroll", () => mark(nav), { passive: true });
  addEventListener("resize", () => mark(nav));
  mark(nav);
}
