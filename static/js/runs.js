/**
 * A run's page fetches its progress and its log by itself. This tells a screen reader when the stage changes, and keeps
 * the end of a log in view as it grows, until its reader scrolls up.
 */

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

let place = 0; // of a reader who has scrolled up
let following = false; // also once the run has ended, and its switch has gone

function log() {
  return document.getElementById("log");
}

/** @returns {HTMLInputElement | null} */
function follow() {
  return /** @type {HTMLInputElement | null} */ (document.getElementById("follow"));
}

function showLog() {
  const box = log();
  following = follow()?.checked ?? following;
  if (box) box.scrollTop = following ? box.scrollHeight : place;
}

document.addEventListener(
  "scroll",
  (event) => {
    const box = log();
    const follows = follow();
    if (!box || !follows || event.target !== box) return;
    place = box.scrollTop;
    follows.checked = box.scrollHeight - place - box.clientHeight < 8;
  },
  true, // scrolling does not bubble
);
document.addEventListener("change", (event) => {
  if (event.target === follow()) showLog();
});
document.addEventListener("htmx:afterSwap", showLog);
showLog();
