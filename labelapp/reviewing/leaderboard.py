"""Rank the sources of responses: by people's rankings, at equal length, and by reward.

Shapes: R rows (pairs of responses of two sources), Q prompts, S sources, B bins of length.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from labelapp.reviewing.davidson import Fit, Floats, Integers, Outcomes, design, expected_wins, fit
from labelapp.reviewing.majority import votes
from labelapp.reviewing.records import ScoredPrompt, ScoredResponse
from labelapp.reviewing.resampling import estimates, group_means, prompt_weights
from labelapp.reviewing.results import Estimate, Leaderboard, Standing
from training.runs.caveats import FEWEST_PROMPTS
from training.runs.outcomes import OutcomeModel

MOST_SOURCES = 40  # those with the most comparisons
MOST_DRAWS = 0.975  # share of the draws in which the sources of the board are connected
LENGTH_BINS = 24  # quantiles of the log length difference, so that resampling stays cheap


class PairRow(NamedTuple):
    """The outcomes of one pair of responses, the sources in the order of their names."""

    prompt: int
    first: str
    second: str
    log_length: float  # of the first response less that of the second
    wins: float
    losses: float
    ties: float


@dataclass
class PairTable:
    """Rows of pairs of responses with their outcomes, by people or by the model."""

    rows: list[PairRow] = field(default_factory=list)

    def add(
        self,
        prompt: int,
        first: ScoredResponse,
        second: ScoredResponse,
        outcomes: tuple[float, float, float],
    ) -> None:
        """Add the wins, losses and ties of the first of two responses of different sources."""
        if not first.source or not second.source or first.source == second.source:
            return
        wins, losses, ties = outcomes
        if first.source > second.source:
            first, second, wins, losses = second, first, losses, wins
        length = math.log(max(1, first.characters) / max(1, second.characters))
        self.rows.append(PairRow(prompt, first.source, second.source, length, wins, losses, ties))

    def comparisons(self) -> Counter[str]:
        """Return the number of comparisons of each source."""
        found: Counter[str] = Counter()
        for row in self.rows:
            total = round(row.wins + row.losses + row.ties)
            found[row.first] += total
            found[row.second] += total
        return found

    def prompts(self) -> Mapping[str, int]:
        """Return the number of prompts on which each source is compared."""
        found: dict[str, set[int]] = defaultdict(set)
        for row in self.rows:
            found[row.first].add(row.prompt)
            found[row.second].add(row.prompt)
        return {source: len(prompts) for source, prompts in found.items()}


class SourceRecorder:
    """Collects what the leaderboard is made of, prompt by prompt."""

    def __init__(self, outcomes: OutcomeModel) -> None:
        self.outcomes = outcomes
        self.people = PairTable()
        self.model = PairTable()
        self.rewards: list[tuple[int, str, float]] = []  # prompt, source, reward
        self.unattributed = 0

    def record(self, prompt: ScoredPrompt, *, of_model: bool) -> None:
        """Add a prompt; `of_model` tells whether the model is measured on it."""
        responses = prompt.responses
        self.unattributed += sum(not one.source for one in responses.values())
        for (one, other), found in votes(prompt.own).items():
            self.people.add(
                prompt.prompt,
                responses[one],
                responses[other],
                (found.first, found.second, found.ties),
            )
        if of_model:
            self.record_rewards(prompt.prompt, list(responses.values()))

    def record_rewards(self, prompt: int, responses: Sequence[ScoredResponse]) -> None:
        for place, one in enumerate(responses):
            if one.source:
                self.rewards.append((prompt, one.source, one.reward))
            for other in responses[place + 1 :]:
                found = self.outcomes.outcome(one.reward - other.reward)
                half = found.tie / 2
                self.model.add(prompt, one, other, (found.win + half, found.loss + half, 0.0))


@dataclass(frozen=True)
class Draws:
    """A fit with the fits of the bootstrap draws."""

    fit: Fit
    drawn: list[Fit]


def leaderboard(recorder: SourceRecorder, mean_reward: float) -> Leaderboard:
    """Return the sources by strength."""
    sources = compared_sources(recorder.people)
    rows = among(recorder.people.rows, sources)
    known = {source for _, source, _ in recorder.rewards} | set(recorder.people.comparisons())
    found = {
        "comparisons": round(sum(row.wins + row.losses + row.ties for row in rows)),
        "unattributed": recorder.unattributed,
        "left_out": sorted(known - set(sources)),
    }
    if len(sources) < 2:
        return Leaderboard(standings=[], length_effect=None, **found)  # type: ignore[arg-type]
    plain = fit_with_draws(rows, sources)
    controlled = fit_with_draws(rows, sources, by_length=True)
    standings = make_standings(recorder, sources, plain, controlled, mean_reward)
    [effect] = estimates(
        np.array([controlled.fit.length]),
        [np.array([one.length]) for one in controlled.drawn],
        [len({row.prompt for row in rows})],
    )
    return Leaderboard(standings=standings, length_effect=effect, **found)  # type: ignore[arg-type]


def compared_sources(table: PairTable) -> list[str]:
    """Return the sources of the board by name: on enough prompts, and compared with each other.

    A source with few comparisons would make the strengths of all uncertain, because their mean is
    0.
    """
    prompts = table.prompts()
    enough = [
        source
        for source, _ in table.comparisons().most_common()
        if prompts[source] >= FEWEST_PROMPTS
    ]
    chosen = connected(among(table.rows, enough), enough)[:MOST_SOURCES]
    return sorted(connected(among(table.rows, chosen), chosen))


def make_standings(
    recorder: SourceRecorder,
    sources: Sequence[str],
    plain: Draws,
    controlled: Draws,
    mean_reward: float,
) -> list[Standing]:
    """Return the standings of the sources, strongest first."""
    comparisons, prompts = recorder.people.comparisons(), recorder.people.prompts()
    prompts_S = [prompts[source] for source in sources]
    strengths = of_strengths(plain, prompts_S)
    wins = of_wins(plain, prompts_S)
    equal = of_strengths(controlled, prompts_S)
    rewards = reward_means(recorder.rewards, mean_reward)
    responses = Counter(source for _, source, _ in recorder.rewards)
    model_wins = wins_of_model(recorder.model, sources)
    found = [
        Standing(
            source=source,
            comparisons=comparisons[source],
            prompts=prompts[source],
            strength=strengths[place],
            wins=wins[place],
            at_equal_length=equal[place],
            responses=responses[source],
            reward=rewards.get(source),
            model_wins=model_wins.get(source),
        )
        for place, source in enumerate(sources)
    ]
    return sorted(found, key=lambda one: (-one.strength.value, one.source))


def of_strengths(draws: Draws, prompts_S: Sequence[int]) -> list[Estimate]:
    drawn = [one.strengths for one in draws.drawn]
    return estimates(draws.fit.strengths, drawn, prompts_S)


def of_wins(draws: Draws, prompts_S: Sequence[int]) -> list[Estimate]:
    drawn = [expected_wins(one) for one in draws.drawn]
    return estimates(expected_wins(draws.fit), drawn, prompts_S)


def wins_of_model(table: PairTable, sources: Sequence[str]) -> dict[str, Estimate]:
    """Return the share of comparisons that each source is expected to win by the rewards.

    The model's probabilities stand for outcomes, so that they are fitted as people's are.
    """
    rows = among(table.rows, sources)
    kept = sorted(set(connected(rows, sources)))
    rows = among(rows, kept)
    if not rows:
        return {}
    prompts = table.prompts()
    found = of_wins(fit_with_draws(rows, kept), [prompts[source] for source in kept])
    return dict(zip(kept, found, strict=True))


def reward_means(
    rewards: Sequence[tuple[int, str, float]], mean_reward: float
) -> dict[str, Estimate]:
    """Return the mean reward of each source, less `mean_reward`."""
    if not rewards:
        return {}
    names = sorted({source for _, source, _ in rewards})
    place = {name: index for index, name in enumerate(names)}
    found = group_means(
        np.array([prompt for prompt, _, _ in rewards]),
        np.array([place[source] for _, source, _ in rewards]),
        np.array([reward - mean_reward for _, _, reward in rewards]),
        len(names),
    )
    return dict(zip(names, found, strict=True))


def among(rows: Sequence[PairRow], sources: Sequence[str]) -> list[PairRow]:
    """Return the rows of pairs of these sources."""
    known = set(sources)
    return [row for row in rows if row.first in known and row.second in known]


def connected(rows: Sequence[PairRow], sources: Sequence[str]) -> list[str]:
    """Return the sources that comparisons connect with the first of them, in their order.

    Strengths of sources that no chain of comparisons connects cannot be compared, and where few
    prompts are the only connection, they hang on these verdicts alone. The chains must hold in
    nearly every draw of the prompts, so that the intervals are those of comparisons.
    """
    if not rows:
        return list(sources[:1])
    place = {source: index for index, source in enumerate(sources)}
    pair_R2 = np.array([(place[row.first], place[row.second]) for row in rows])
    pairs, pair_R = np.unique(pair_R2, axis=0, return_inverse=True)
    keys, prompt_R = np.unique(np.array([row.prompt for row in rows]), return_inverse=True)
    reached = [
        reached_from_first(pairs[np.bincount(pair_R.ravel(), weight_Q[prompt_R]) > 0], len(sources))
        for weight_Q in prompt_weights(len(keys))
    ]
    holds_S = np.mean(reached, axis=0) >= MOST_DRAWS
    holds_S[0] = True
    kept = [source for source, holds in zip(sources, holds_S, strict=True) if holds]
    return kept if len(kept) == len(sources) else connected(among(rows, kept), kept)


def reached_from_first(pairs: Integers, sources: int) -> NDArray[np.bool_]:
    """Return whether pairs connect each source (S,) with the first one."""
    beside_SS = np.eye(sources, dtype=bool)
    beside_SS[pairs[:, 0], pairs[:, 1]] = beside_SS[pairs[:, 1], pairs[:, 0]] = True
    reached_S, before = beside_SS[0], 0
    while reached_S.sum() > before:
        before = reached_S.sum()
        reached_S = beside_SS[reached_S].any(axis=0)
    return np.asarray(reached_S)


def fit_with_draws(
    rows: Sequence[PairRow], sources: Sequence[str], *, by_length: bool = False
) -> Draws:
    """Fit the strengths of sources, and fit them again for each draw of the prompts.

    With `by_length`, the log-odds of a win have a term for the length of the responses besides:

        strength of the first - strength of the second + b log(characters / characters)

    so that the strengths are those of responses of equal length (the covariate of Springall 1973;
    controlling a leaderboard for length by such a regression is that of Dubois et al. 2024,
    Length-Controlled AlpacaEval, arXiv 2404.04475, and of the style control of Chatbot Arena). The
    differences are rounded to the means of quantile bins.
    """
    place = {source: index for index, source in enumerate(sources)}
    first_R = np.array([place[row.first] for row in rows])
    second_R = np.array([place[row.second] for row in rows])
    bin_R, length_B = length_bins(np.array([row.log_length for row in rows]), by_length)
    cells, cell_R = np.unique(
        np.stack([first_R, second_R, bin_R], axis=1), axis=0, return_inverse=True
    )
    cell_R = cell_R.ravel()
    covariate = length_B[cells[:, 2]] if by_length else None
    features = design(cells[:, 0], cells[:, 1], len(sources), covariate)
    counts_3R = np.array([[row.wins, row.losses, row.ties] for row in rows]).T
    keys, prompt_R = np.unique(np.array([row.prompt for row in rows]), return_inverse=True)

    def refit(weight_R: Floats, start: Fit | None) -> Fit:
        sums = [
            np.bincount(cell_R, weights=weight_R * counts_R, minlength=len(cells)).astype(float)
            for counts_R in counts_3R
        ]
        return fit(features, Outcomes(*sums), len(sources), start)

    whole = refit(np.ones(len(rows)), None)
    drawn = [refit(weight_Q[prompt_R], whole) for weight_Q in prompt_weights(len(keys))]
    return Draws(whole, drawn)


def length_bins(log_length_R: Floats, by_length: bool) -> tuple[Integers, Floats]:
    """Return the bin of each row, and the mean of each bin; without `by_length`, a single bin."""
    if not by_length:
        return np.zeros(len(log_length_R), dtype=np.int64), np.zeros(1)
    inner = np.quantile(log_length_R, np.linspace(0, 1, LENGTH_BINS + 1)[1:-1])
    _, bin_R = np.unique(np.searchsorted(inner, log_length_R, side="right"), return_inverse=True)
    counts_B = np.bincount(bin_R)
    return bin_R, np.bincount(bin_R, weights=log_length_R) / counts_B
