/** Select prompts in a list, or the whole page, show how many are selected, and act on them. */

const form = document.getElementById("chosen");
const all = document.getElementById("choose-all");
const said = document.getElementById("how-many");

/** @returns {HTMLInputElement[]} */
function boxes() {
  return form ? [...form.querySelectorAll("input[name=prompt]")] : [];
}

function count() {
  const selected = boxes().filter((box) => box.checked).length;
  if (said) {
    const text = said.dataset.selected ?? "";
    said.textContent = selected ? text.replace("%(number)s", String(selected)) : "";
  }
  if (all instanceof HTMLInputElement) {
    all.checked = selected > 0 && selected === boxes().length;
    all.indeterminate = selected > 0 && !all.checked;
  }
}

// Enter in a field presses the button beside it, and not the first of the form.
addEventListener("keydown", (event) => {
  const field = event.target;
  if (event.key !== "Enter" || !(field instanceof HTMLInputElement)) return;
  const button = field.closest(".priority")?.querySelector("button");
  if (button) {
    event.preventDefault();
    button.click();
  }
});

form?.addEventListener("change", (event) => {
  if (event.target === all && all instanceof HTMLInputElement) {
    for (const box of boxes()) box.checked = all.checked;
  }
  count();
});
count();
// Browsers restore the boxes when the user goes back.
addEventListener("pageshow", count);
