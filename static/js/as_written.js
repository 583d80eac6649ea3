/** The switch "As written" on the pages of reviewers. */

import { latinKey } from "./latin_key.js";
import { Written } from "./written.js";

const said = document.getElementById("said");
const root = document.querySelector("[data-texts]");
if (root instanceof HTMLElement) {
  const written = new Written(root, (sentence) => {
    if (said) said.textContent = sentence;
  });
  void written.sync();
  document.addEventListener("keydown", (event) => {
    if (latinKey(event) !== "w" || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (document.activeElement?.closest("textarea, select, input:not([type=radio], [type=checkbox])")) return;
    event.preventDefault();
    void written.toggle();
  });
}
