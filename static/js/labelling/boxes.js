/** Boxes that scroll by themselves: reached by the keyboard, and begun where reading begins. */

const WIDE = ".text :is(pre, .table-box, .formula.display, .formula.long)";

/** Code, tables and formulas that are too wide can be focused, so that arrow keys scroll them. */
/** @param {Element} root */
export function makeReachable(root) {
  const wide = [...root.querySelectorAll(WIDE)].filter((box) => box.scrollWidth > box.clientWidth + 1);
  for (const box of wide) box.tabIndex = 0;
}

/**
 * A chat begins at its last turn, which is what the responses answer. On a phone the turns before
 * it are folded away.
 * @param {Element} root
 */
export function beginAtLastTurn(root) {
  const card = root.querySelector(".asked-card");
  const last = card?.querySelector(".last-said");
  if (!card || !last) return;
  if (matchMedia("(width < 720px)").matches) card.querySelector(".earlier").open = false;
  card.scrollTop += last.getBoundingClientRect().top - card.getBoundingClientRect().top - 14;
}
