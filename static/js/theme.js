"use strict";
// Runs before the page is painted, so that a chosen appearance never flashes: keep it tiny.
// It also tells the style sheet that scripts run.
(() => {
  const root = document.documentElement;
  root.dataset.js = "on";
  try {
    const theme = localStorage.getItem("podium-theme");
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
  } catch {
    // Storage may be forbidden: the system's appearance is used.
  }
})();
