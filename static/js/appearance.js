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
  const names = { auto: gettext("automatic"), light: gettext("light"), dark: gettext("dark") };
  const words = interpolate(gettext("Appearance: %(theme)s"), { theme: names[theme] }, true);
  button.setAttribute("aria-label", words);
  button.title = words;
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
