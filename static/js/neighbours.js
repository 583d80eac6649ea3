/** The keys n and p, which follow the links to the next and the previous prompt of a list. */

/** @param {string} key @returns {boolean} whether there is such a link */
export function follow(key) {
  const rel = { n: "next", p: "prev" }[key];
  const link = rel && document.querySelector(`nav a[rel="${rel}"]`);
  if (!(link instanceof HTMLAnchorElement)) return false;
  link.click();
  return true;
}
