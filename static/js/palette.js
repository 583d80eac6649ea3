/** The command palette: Ctrl+K or ⌘K opens it, the arrow keys choose, Enter goes there. */

import { latinKey } from "./latin_key.js";

const dialog = document.getElementById("palette");
const field = dialog?.querySelector("input");
const list = document.getElementById("found");

if (dialog instanceof HTMLDialogElement && field && list) {
  const options = () => [...list.querySelectorAll("a[role=option]")];

  /** @param {Element | undefined} option */
  const choose = (option) => {
    for (const each of options()) each.setAttribute("aria-selected", String(each === option));
    if (option) field.setAttribute("aria-activedescendant", option.id);
    else field.removeAttribute("aria-activedescendant");
    option?.scrollIntoView({ block: "nearest" });
  };

  const chosen = () => options().find((option) => option.getAttribute("aria-selected") === "true");

  const open = () => {
    for (const menu of document.querySelectorAll("details.dropdown[open]")) menu.removeAttribute("open");
    if (!dialog.open) dialog.showModal();
    field.select();
    field.dispatchEvent(new CustomEvent("opened"));
  };

  addEventListener(
    "keydown",
    (event) => {
      const isOurs = latinKey(event).toLowerCase() === "k" && (event.ctrlKey || event.metaKey);
      if (!isOurs || event.altKey || event.shiftKey) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      if (dialog.open) dialog.close();
      else open();
    },
    true,
  );

  for (const link of document.querySelectorAll("a[data-finds]")) {
    link.addEventListener("click", (event) => {
      if (event instanceof MouseEvent && (event.ctrlKey || event.metaKey || event.shiftKey)) return;
      event.preventDefault();
      open();
    });
  }

  dialog.addEventListener("keydown", (event) => {
    event.stopPropagation(); // the keys of the page rest
    const all = options();
    const at = all.indexOf(/** @type {Element} */ (chosen()));
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      choose(all.at((at + (event.key === "ArrowDown" ? 1 : -1)) % all.length));
    } else if (event.key === "Escape") {
      event.preventDefault(); // the field would only be emptied
      dialog.close();
    } else if (event.key === "Enter" && document.activeElement === field && !event.isComposing) {
      event.preventDefault();
      const option = chosen();
      if (option instanceof HTMLElement) option.click();
    }
  });

  // New results start at their first entry.
  list.addEventListener("htmx:afterSwap", () => choose(options()[0]));

  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close(); // beside it
    const option = event.target instanceof Element ? event.target.closest("a[role=option]") : null;
    if (option) dialog.close(); // a place on this page, too
  });
  dialog.querySelector("button")?.addEventListener("click", () => dialog.close());

  if (/Mac|iPhone|iPad/.test(navigator.platform)) {
    for (const key of document.querySelectorAll(".find kbd")) key.textContent = "⌘ K";
  }
}
