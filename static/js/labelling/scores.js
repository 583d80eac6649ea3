/** A gentle word where scores and ranks say different things. Nothing is refused for it. */

/** @typedef {import("./ranking.js").Ranking} Ranking */

/**
 * Return the first two responses of which the one with the higher score has the worse rank.
 * @param {Ranking} ranking
 * @returns {[string, string] | undefined} the higher score first
 */
function contradiction(ranking) {
  const data = new FormData(ranking.form);
  const scores = new Map(
    ranking.letters.map((letter) => [letter, Number(data.get(`score-${letter}`) ?? NaN)]),
  );
  const ranks = ranking.ranks();
  for (const one of ranking.letters) {
    for (const other of ranking.letters) {
      const ranked = ranks.get(one) !== null && ranks.get(other) !== null;
      if (ranked && scores.get(one) > scores.get(other) && ranks.get(one) > ranks.get(other)) {
        return [one, other];
      }
    }
  }
  return undefined;
}

/** @param {Ranking} ranking */
export function warn(ranking) {
  const place = ranking.form.querySelector("#contradiction");
  if (!(place instanceof HTMLElement)) return;
  const found = contradiction(ranking);
  place.hidden = !found;
  const words = found
    ? place.dataset.words.replace("{higher}", found[0]).replace("{lower}", found[1])
    : "";
  if (place.textContent !== words) place.textContent = words;
}
