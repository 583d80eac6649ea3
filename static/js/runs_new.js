/** The form that starts a run shows the settings of the chosen backbone, with its defaults. */

const backbone = document.querySelector("#train [name=backbone]");

/** @param {string} chosen */
function show(chosen) {
  for (const setting of document.querySelectorAll("#train [data-backbones]")) {
    setting.hidden = !setting.dataset.backbones.split(" ").includes(chosen);
    const input = setting.querySelector("[data-defaults]");
    if (input) input.placeholder = JSON.parse(input.dataset.defaults)[chosen] ?? "";
  }
  for (const fold of document.querySelectorAll("#train details")) {
    fold.hidden = !fold.querySelector("[data-backbones]:not([hidden])");
  }
}

if (backbone instanceof HTMLSelectElement) {
  show(backbone.value);
  backbone.addEventListener("change", () => show(backbone.value));
  addEventListener("pageshow", () => show(backbone.value)); // the browser may have filled it in
}
