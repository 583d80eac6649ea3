/** The header's button that goes round automatic, light and dark. */

const THEMES = ["auto", "light", "dark"];
const KEY = "podium-theme";

/** @returns {string} */
function chosen() {
  return document.documentElement.dataset.theme ?? "auto";
}

/** @param {HTMLElement} button */
function label(button) {
  const theme = chosen();
  button.dataset.shows = theme;
  button.setAttribute("aria-label", `Appearance: ${theme}`);
  button.title = `Appearance: ${theme}`;
}

/** @param {string} theme */
function choose(theme) {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  try {
    if (theme === "auto") localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, theme);
  } catch {
    // Storage may be forbidden: the choice lasts as long as the page.
  }
}

const button = document.querySelector("button.appearance");
if (button instanceof HTMLElement) {
  label(button);
  button.addEventListener("click", () => {
    choose(THEMES[(THEMES.indexOf(chosen()) + 1) % THEMES.length]);
    label(button);
  });
}
