/**
 * ← and → between radio buttons by what is in sight. Browsers take ← for the previous one where a
 * page is read from right to left, too, and there it is the one on the right.
 */

const STEPS = { ArrowLeft: 1, ArrowRight: -1 };

document.addEventListener("keydown", (event) => {
  const here = event.target;
  const step = STEPS[event.key];
  if (!step || event.altKey || event.ctrlKey || event.metaKey) return;
  if (!(here instanceof HTMLInputElement) || here.type !== "radio") return;
  if (getComputedStyle(here).direction !== "rtl") return;
  const all = here.form?.querySelectorAll(`input[type="radio"][name="${CSS.escape(here.name)}"]`);
  const group = [...(all ?? [])].filter((radio) => !radio.matches(":disabled"));
  const next = group.at((group.indexOf(here) + step) % group.length);
  event.preventDefault();
  next?.focus();
  next?.click();
});
