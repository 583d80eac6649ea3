/** Where the navigation is wider than the screen: begin at the page that is shown, and show that there is more. */

const nav = document.querySelector(".top nav");
const shown = nav?.querySelector("[aria-current]");
shown?.scrollIntoView({ block: "nearest", inline: "center", behavior: "instant" });

/** Name the ends behind which there is more: the style sheet lets them fade. */
function mark() {
  if (!nav) return;
  const before = nav.scrollLeft > 1;
  const after = nav.scrollLeft < nav.scrollWidth - nav.clientWidth - 1;
  if (before || after) nav.dataset.more = [before && "before", after && "after"].filter(Boolean).join(" ");
  else delete nav.dataset.more;
}

nav?.addEventListener("scroll", mark, { passive: true });
addEventListener("resize", mark);
mark();
