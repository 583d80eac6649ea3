/** Choosing prompts in a list: all of the page at once, and how many are chosen. */

const form = document.getElementById("chosen");
const all = document.getElementById("choose-all");
const said = document.getElementById("how-many");

/** @returns {HTMLInputElement[]} */
function boxes() {
  return form ? [...form.querySelectorAll("input[name=prompt]")] : [];
}

function count() {
  const chosen = boxes().filter((box) => box.checked).length;
  if (said) said.textContent = chosen ? `${chosen} chosen` : "";
  if (all instanceof HTMLInputElement) {
    all.checked = chosen > 0 && chosen === boxes().length;
    all.indeterminate = chosen > 0 && !all.checked;
  }
}

form?.addEventListener("change", (event) => {
  if (event.target === all && all instanceof HTMLInputElement) {
    for (const box of boxes()) box.checked = all.checked;
  }
  count();
});
count();
// Going back in the browser's history brings the boxes back as they were.
addEventListener("pageshow", count);
