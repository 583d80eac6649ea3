/** The form that starts runs shows the settings of the chosen backbones, with their defaults. */

/** @type {NodeListOf<HTMLInputElement | HTMLSelectElement>} */
const backbones = document.querySelectorAll("#train [name=backbone]");

/** Return the chosen backbones: one of a list, or those of a grid that are ticked. */
function chosen() {
  const found = [...backbones].filter((one) => one instanceof HTMLSelectElement || one.checked);
  return found.length ? found.map((one) => one.value) : ["auto"];
}

function show() {
  const names = chosen();
  for (const setting of document.querySelectorAll("#train [data-backbones]")) {
    const concerned = setting.dataset.backbones.split(" ");
    setting.hidden = !names.some((name) => concerned.includes(name));
    const input = setting.querySelector("[data-defaults]");
    if (input) input.placeholder = JSON.parse(input.dataset.defaults)[names[0]] ?? "";
  }
  for (const fold of document.querySelectorAll("#train details")) {
    fold.hidden = !fold.querySelector("[data-backbones]:not([hidden])");
  }
}

show();
for (const one of backbones) one.addEventListener("change", show);
addEventListener("pageshow", show); // the browser may have filled it in
