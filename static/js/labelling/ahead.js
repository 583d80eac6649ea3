/**
 * The next task, fetched while this one is being ranked: it stands in the page at once, and the
 * ranking is stored behind it. Where storing fails, the task comes back as it was left; where it is
 * refused, with the reasons.
 */

import { FAULT, SIGNED_OUT, UNREACHABLE, clear, refusal, show, token } from "../requests.js";
import { isWanted, sourcesOf } from "../written.js";
import { persist, withPromise } from "./again.js";

/** @param {HTMLFormElement} form */
const nameOf = (form) => form.elements.namedItem("assignment").value;

export class Ahead {
  /**
   * @param {() => void} begin takes up the task that stands in the page
   * @param {(sentence: string) => void} say
   */
  constructor(begin, say) {
    this.begin = begin;
    this.say = say;
    /** @type {HTMLFormElement | null} the task that is ready */
    this.next = null;
    /** @type {Promise<void> | null} a ranking on its way */
    this.sending = null;
    /** @type {string | null} the task whose successor was asked for */
    this.asked = null;
  }

  /**
   * Fetch what comes after a task, once. Not before what came before it is stored: the server
   * would give that again.
   * @param {HTMLFormElement} form
   */
  async fetch(form) {
    if (this.asked === nameOf(form) || "alone" in form.dataset) return;
    this.asked = nameOf(form);
    await this.sending;
    if (this.next || !form.isConnected) return;
    try {
      const answer = await fetch(`${form.dataset.next}?beside=${nameOf(form)}`, {
        headers: { "HX-Request": "true" },
        redirect: "error", // signed out
      });
      if (answer.status === 503) this.asked = null; // busy: with the next change
      if (answer.status !== 200) return;
      const next = parse(await answer.text()).querySelector("form.task");
      if (!(next instanceof HTMLFormElement) || !form.isConnected) return;
      this.next ??= next;
      if (isWanted()) sourcesOf(next).catch(() => {}); // asked for again when it is shown
      form.dataset.nextReady = "";
    } catch {
      this.asked = null; // the submit itself will say what is wrong
    }
  }

  /**
   * Show the next task and send the ranking of this one. False where none is ready.
   * @param {HTMLFormElement} form
   */
  pass(form) {
    if (!this.next || nameOf(this.next) === nameOf(form)) return false;
    const next = this.next;
    const data = new URLSearchParams(new FormData(form));
    data.set("next", nameOf(next));
    this.next = null;
    next.dataset.ahead = "";
    this.#show(next, form);
    this.sending = this.#send(form, next, data).finally(() => {
      this.sending = null;
    });
    return true;
  }

  /** @param {HTMLFormElement} form @param {HTMLFormElement} next @param {URLSearchParams} data */
  async #send(form, next, data) {
    clear();
    const { problem, refused } = await post(form.action, data);
    if (!problem && !refused) return this.say(gettext("Ranking stored."));
    this.next = next; // with what was entered meanwhile
    this.#show(refused ?? form, next);
    if (problem) show(problem);
    refused?.querySelector(".refused")?.focus();
  }

  /** @param {HTMLFormElement} form @param {HTMLFormElement} inPlaceOf */
  #show(form, inPlaceOf) {
    inPlaceOf.replaceWith(form);
    htmx.process(form);
    this.begin();
  }
}

/** @param {string} html */
const parse = (html) => new DOMParser().parseFromString(html, "text/html");

/**
 * Send a ranking and take in what comes back beside the task.
 * @param {string} url
 * @param {URLSearchParams} data
 * @returns {Promise<{ problem?: string, refused?: HTMLFormElement }>} what went wrong: in a sentence,
 *   or as the task with the reasons
 */
async function post(url, data) {
  const headers = { "HX-Request": "true", "X-CSRFToken": token() ?? "" };
  if (token()) data.set("csrfmiddlewaretoken", token());
  let answer;
  try {
    answer = await persist(
      () => fetch(url, { method: "POST", body: data, headers }),
      async (busy) => show(withPromise(refusal(await busy.text()) ?? FAULT)),
    );
  } catch {
    return { problem: UNREACHABLE };
  }
  if (answer.redirected) return { problem: SIGNED_OUT };
  const html = await answer.text();
  const refused = answer.status === 422 && parse(html).querySelector("form.task");
  if (refused instanceof HTMLFormElement) return { refused };
  if (!answer.ok) return { problem: refusal(html) ?? FAULT };
  clear();
  for (const part of parse(html).querySelectorAll("[hx-swap-oob]")) {
    part.removeAttribute("hx-swap-oob");
    document.getElementById(part.id)?.replaceWith(part);
    htmx.process(part);
  }
  return {};
}
