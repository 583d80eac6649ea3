/** Wide tables, code and formulas scroll in boxes of their own: on every page, the keyboard gets there. */

import { makeReachable } from "./labelling/boxes.js";

makeReachable(document);
addEventListener("resize", () => makeReachable(document));
document.addEventListener("htmx:afterSwap", () => makeReachable(document));
