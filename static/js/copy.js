/** Buttons that copy what a field holds: <button data-copies="id of the field">. */

const COPIED = gettext("Copied.");
const SELECTED = gettext("It is selected: copy it with Ctrl+C, or ⌘C on a Mac.");

/**
 * Copy a text, and return whether that worked: browsers allow it over https and on this machine.
 * @param {string} text
 */
async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false; // no clipboard here, or no permission
  }
}

for (const button of document.querySelectorAll("button[data-copies]")) {
  if (!(button instanceof HTMLButtonElement)) continue;
  const field = document.getElementById(button.dataset.copies ?? "");
  const said = button.closest("li, .copied")?.querySelector("[role=status]");
  if (!(field instanceof HTMLInputElement || field instanceof HTMLTextAreaElement)) continue;
  button.addEventListener("click", async () => {
    const done = await copied(field.value);
    if (!done) {
      field.focus();
      field.select();
    }
    if (said) said.textContent = done ? COPIED : SELECTED;
  });
}
