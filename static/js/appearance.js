/** The choice between the system's appearance, light and dark. */

const KEY = "podium-theme";

/** @returns {string} */
function chosen() {
  return document.documentElement.dataset.theme ?? "auto";
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

const buttons = document.querySelectorAll("button[data-theme-choice]");

function show() {
  for (const button of buttons) {
    const isChosen = button.getAttribute("data-theme-choice") === chosen();
    button.setAttribute("aria-pressed", String(isChosen));
  }
}

for (const button of buttons) {
  button.addEventListener("click", () => {
    choose(button.getAttribute("data-theme-choice") ?? "auto");
    show();
  });
}
show();
