/** Shortcuts are letters and digits of a Latin keyboard. */

/**
 * The key that would be here on a Latin keyboard: an Arabic one has other letters and digits on the
 * same keys.
 * @param {KeyboardEvent} event
 * @returns {string}
 */
export function latinKey({ key, code }) {
  if (key.length !== 1 || key < "\u0080") return key;
  if (key === "؟") return "?";
  const [, letter, digit] = /^(?:Key([A-Z])|(?:Digit|Numpad)([0-9]))$/.exec(code) ?? [];
  if (/^\p{Nd}$/u.test(key)) return digit ?? key;
  return /^\p{L}/u.test(key) && letter ? letter.toLowerCase() : key;
}
