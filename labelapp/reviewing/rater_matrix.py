"""Agreement between every two raters: people, adjudicators, models, and simple baselines.

Shapes: R raters, C pairs of responses of a prompt.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from labelapp.reviewing.records import ADJUDICATED, ScoredPrompt, ScoredResponse
from labelapp.reviewing.results import Rater, RaterAgreement
from labelapp.runs.paired_bootstrap import as_student
from labelapp.runs.ratio_error import ratio_error
from labelapp.runs.wilson import Z, wilson
from training.rankings import UNRANKED, Identifier, Ranking

MOST_PEOPLE = 20  # with the most rankings
SMALLEST_ERROR = 3e-5  # of a sum of comparisons; what is less comes from rounding

NONE, FIRST, SECOND, TIE = range(4)  # answers on a pair of responses
Answers = NDArray[np.int8]
BASELINES: Mapping[str, Callable[[ScoredResponse], float]] = {
    "model": lambda response: response.reward,
    "longer": lambda response: response.characters,
    "words": lambda response: response.words,
}


class RaterSums:
    """Sums over prompts of the comparisons of every two raters, by the key of each rater."""

    def __init__(self, runs: Sequence[int] = ()) -> None:
        """Gather the sums, also of the models of other runs, by primary key."""
        self.runs = runs
        self.index: dict[Rater, int] = {}
        # agreed, comparisons, agreed², agreed·comparisons, comparisons², prompts
        self.sums_6RR = np.zeros((6, 8, 8))
        self.rankings: Counter[int] = Counter()

    def record(self, prompt: ScoredPrompt, *, of_model: bool) -> None:
        """Add a prompt; `of_model` tells whether the model is measured on it."""
        self.rankings.update(member for member, _ in prompt.rankings)
        if answers := answers_on(prompt, of_model=of_model):
            self.add(list(answers), np.array(list(answers.values())))

    def add(self, raters: Sequence[Rater], answers_RC: Answers) -> None:
        for rater in raters:
            self.index.setdefault(rater, len(self.index))
        while len(self.index) > self.sums_6RR.shape[1]:
            size = self.sums_6RR.shape[1]
            self.sums_6RR = np.pad(self.sums_6RR, ((0, 0), (0, size), (0, size)))
        agreed_RR = sum(both(answers_RC == answer) for answer in (FIRST, SECOND, TIE))
        pairs_RR = both(answers_RC != NONE)
        place_R = np.array([self.index[rater] for rater in raters])
        self.sums_6RR[:, place_R[:, None], place_R[None, :]] += np.stack(
            [
                agreed_RR,
                pairs_RR,
                agreed_RR**2,
                agreed_RR * pairs_RR,
                pairs_RR**2,
                pairs_RR > 0,
            ]
        )

    def shown(self) -> tuple[list[Rater], int]:
        """Return the raters of the matrix, and how many people are left out of it."""
        people = [member for member, _ in self.rankings.most_common() if member != ADJUDICATED]
        raters = [Rater("person", member) for member in people[:MOST_PEOPLE]]
        runs = [Rater("run", run=run) for run in self.runs]
        model, *baselines = map(Rater, BASELINES)
        others = (Rater("adjudicated"), model, *runs, *baselines)
        known = [rater for rater in (*raters, *others) if rater in self.index]
        return known, max(0, len(people) - MOST_PEOPLE)

    def agreements(self, raters: Sequence[Rater]) -> list[RaterAgreement]:
        """Return the agreement of every two raters that have made the same comparison."""
        found = []
        for (first, one), (second, other) in combinations(enumerate(raters), 2):
            sums = self.sums_6RR[:, self.index[one], self.index[other]]
            if sums[1]:
                low, high = interval(*sums.tolist())
                found.append(
                    RaterAgreement(
                        first, second, round(sums[0]), round(sums[1]), round(sums[5]), low, high
                    )
                )
        return found


def answers_on(prompt: ScoredPrompt, *, of_model: bool) -> dict[Rater, Answers]:
    """Return the answers (C,) of each rater on the pairs of a prompt's responses, if it has any."""
    pairs = list(combinations(prompt.responses, 2))
    rows: dict[Rater, Answers] = {}
    for member, ranking in prompt.rankings:
        rater = Rater("adjudicated") if member == ADJUDICATED else Rater("person", member)
        given = answers_of_ranking(ranking, pairs)
        rows[rater] = np.where(given == NONE, rows[rater], given) if rater in rows else given
    for kind, value in BASELINES.items():
        if kind != "model" or of_model:
            values = {pk: value(response) for pk, response in prompt.responses.items()}
            rows[Rater(kind)] = answers_of_values(values, pairs)
    for run, rewards in prompt.by_run.items():
        rows[Rater("run", run=run)] = answers_of_values(rewards, pairs)
    return rows if pairs else {}


def both(given_RC: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the number of pairs on which both of every two raters are True."""
    as_floats = given_RC.astype(float)
    return np.asarray(as_floats @ as_floats.T)


def answers_of_ranking(ranking: Ranking, pairs: Sequence[tuple[Identifier, Identifier]]) -> Answers:
    """Return the answers (C,) of a ranking; none where it does not compare a pair."""
    ranks = dict(zip(ranking.responses, ranking.ranks, strict=True))
    return np.array([answer(ranks.get(one), ranks.get(other)) for one, other in pairs], np.int8)


def answer(rank: int | None, other: int | None) -> int:
    if rank is None or other is None or rank == other == UNRANKED:
        return NONE
    return TIE if rank == other else FIRST if rank < other else SECOND


def answers_of_values(
    values: Mapping[Identifier, float], pairs: Sequence[tuple[Identifier, Identifier]]
) -> Answers:
    """Return the answers (C,) of a rater that prefers the higher value; none without a value."""
    return np.array(
        [answer_of_values(values.get(one), values.get(other)) for one, other in pairs], np.int8
    )


def answer_of_values(one: float | None, other: float | None) -> int:
    if one is None or other is None:
        return NONE
    return TIE if one == other else FIRST if one > other else SECOND


def interval(
    agreed: float, pairs: float, agreed2: float, both_: float, pairs2: float, prompts: float
) -> tuple[float, float]:
    """Return a 95 % interval of agreed / pairs from sums over prompts of them and their products.

    One prompt's comparisons are not independent, so the error of the ratio is that over prompts. It
    gives the number of independent comparisons that would be as uncertain, for which the interval
    is Wilson's (1927): the way of Korn and Graubard (1998, Survey Methodology 24, pages 193-201)
    for proportions in samples of clusters. Few prompts tell little of the variance, so that there
    are fewer still, by the square of the normal over Student's quantile. A ratio of 0 or 1 has no
    variance; there, each prompt counts as one.
    """
    share = agreed / pairs
    effective = prompts
    error = ratio_error(prompts, agreed, pairs, agreed2, pairs2, both_) if prompts > 1 else 0.0
    if error * pairs > SMALLEST_ERROR:
        few = (Z / as_student(Z, prompts - 1)) ** 2
        effective = min(pairs, max(1.0, few * share * (1 - share) / error**2))
    return wilson(share, effective)
