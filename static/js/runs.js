/** A run's page fetches its progress by itself; this tells a screen reader when the stage changes. */

const said = document.getElementById("run-said");

function state() {
  return document.getElementById("progress")?.dataset.state;
}

let last = state();
document.addEventListener("htmx:afterSwap", () => {
  if (!said || state() === last) return;
  last = state();
  said.textContent = document.getElementById("now-title")?.textContent?.trim() ?? "";
});
