/**
 * Send again what a busy server has refused (503 with Retry-After): by itself, with the same key, so
 * that nothing is stored twice. A change of what was entered waits for its own submit.
 */

const TRIES = 60; // five minutes of a server that asks for five seconds
const DEFAULT_SECONDS = 5;

const SENT_AGAIN = gettext("It is sent again by itself.");

/** @type {WeakMap<Element, number>} by the element that sends */
const tries = new WeakMap();
/** @type {Map<Element, number>} timers */
const waiting = new Map();

/**
 * The milliseconds after which a refused request may be sent again; null for any other answer.
 * @param {number} status
 * @param {string | null} retryAfter
 */
function pause(status, retryAfter) {
  if (status !== 503) return null;
  return 1000 * (Number(retryAfter) || DEFAULT_SECONDS);
}

/** @param {string} problem */
export const withPromise = (problem) => `${problem} ${SENT_AGAIN}`;

/**
 * Send a ranking, and again while the server is busy.
 * @param {() => Promise<Response>} send
 * @param {(answer: Response) => Promise<void>} refused called before each wait
 */
export async function persist(send, refused) {
  for (let tried = 1; ; tried++) {
    const answer = await send();
    const wait = pause(answer.status, answer.headers.get("Retry-After"));
    if (wait === null || tried >= TRIES) return answer;
    await refused(answer.clone());
    await new Promise((done) => setTimeout(done, wait));
  }
}

/** Drop what was to be sent again: what was entered has changed. */
export function forget() {
  for (const timer of waiting.values()) clearTimeout(timer);
  waiting.clear();
}

/**
 * Send a refused request of htmx again after a while. Returns whether it will be sent.
 * @param {Element} elt
 * @param {XMLHttpRequest} xhr
 * @param {() => void} send
 */
export function later(elt, xhr, send) {
  const wait = pause(xhr.status, xhr.getResponseHeader("Retry-After"));
  const tried = (tries.get(elt) ?? 0) + 1;
  if (wait === null || tried >= TRIES) {
    tries.delete(elt);
    return false;
  }
  tries.set(elt, tried);
  clearTimeout(waiting.get(elt));
  const timer = setTimeout(() => {
    waiting.delete(elt);
    if (elt.isConnected) send();
  }, wait);
  waiting.set(elt, timer);
  return true;
}
