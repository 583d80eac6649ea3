/** What a browser remembers of how somebody likes the page. Storage may be forbidden: then nothing. */

/**
 * @param {string} name
 * @param {"local" | "session"} [from] session: until the tab is closed
 * @returns {string | null}
 */
export function recall(name, from = "local") {
  try {
    return area(from).getItem(`podium-${name}`);
  } catch {
    return null;
  }
}

/**
 * @param {string} name
 * @param {string} value
 * @param {"local" | "session"} [from]
 */
export function remember(name, value, from = "local") {
  try {
    area(from).setItem(`podium-${name}`, value);
  } catch {
    // Not remembered, then.
  }
}

/** @param {"local" | "session"} name */
function area(name) {
  return name === "local" ? localStorage : sessionStorage;
}
