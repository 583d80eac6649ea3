"""The leaderboard of sources, on hand-computed values and on simulated data with a known truth."""

import math
from collections import Counter

import numpy as np
import pytest
from scipy.stats import binom, norm, t

from labelapp.reviewing.davidson import Outcomes, design, expected_wins, fit, probabilities
from labelapp.reviewing.leaderboard import (
    PairRow,
    SourceRecorder,
    connected,
    fit_with_draws,
    leaderboard,
    of_strengths,
    of_wins,
)
from labelapp.reviewing.resampling import tail_share
from labelapp.reviewing.results import Estimate
from tests.labelapp.reviewing.simulated import simulate
from training.runs.outcomes import OutcomeModel

TRUTH = {"best": 0.8, "good": 0.3, "fair": -0.2, "poor": -0.9}


def outcomes(wins: float, losses: float, ties: float) -> Outcomes:
    return Outcomes(np.array([wins]), np.array([losses]), np.array([ties]))


def test_two_sources_are_as_far_apart_as_the_odds_say() -> None:
    found = fit(design(np.array([0]), np.array([1]), 2), outcomes(3000, 1000, 0), 2)
    assert found.strengths[0] - found.strengths[1] == pytest.approx(math.log(3), abs=1e-3)
    assert found.strengths.sum() == pytest.approx(0, abs=1e-6)
    assert expected_wins(found)[0] == pytest.approx(0.75, abs=1e-3)


def test_ties_are_outcomes_of_their_own() -> None:
    found = fit(design(np.array([0]), np.array([1]), 2), outcomes(4000, 1000, 2000), 2)
    # win : tie : loss = e^(lead/2) : nu : e^(-lead/2), so e^lead = 4 and nu = 2000 / sqrt(4 * 10^6)
    assert found.strengths[0] - found.strengths[1] == pytest.approx(math.log(4), abs=1e-3)
    assert math.exp(found.log_nu) == pytest.approx(1.0, abs=1e-3)


def test_a_source_that_wins_everything_has_a_finite_strength() -> None:
    found = fit(design(np.array([0]), np.array([1]), 2), outcomes(20, 0, 0), 2)
    assert 2 < found.strengths[0] < 10


def test_the_fit_is_the_maximum_of_the_likelihood() -> None:
    """A slow search over each parameter finds nothing better."""
    random = np.random.default_rng(1)
    first, second = np.array([0, 0, 1, 2]), np.array([1, 2, 2, 0])
    x = random.normal(size=4)
    counts = Outcomes(*(random.integers(1, 30, size=4).astype(float) for _ in range(3)))
    features = design(first, second, 3, x)
    found = fit(features, counts, 3)

    def likelihood(beta: np.ndarray, eta: float) -> float:
        win, loss, tie = probabilities(features @ beta, math.exp(eta))
        fitted = (
            counts.wins @ np.log(win) + counts.losses @ np.log(loss) + counts.ties @ np.log(tie)
        )
        return float(fitted) - 0.005 * float(beta @ beta + eta**2)

    beta = np.append(found.strengths, found.length)
    best = likelihood(beta, found.log_nu)
    for place in range(4):
        for step in (-0.01, 0.01):
            moved = beta.copy()
            moved[place] += step
            assert likelihood(moved, found.log_nu) < best
    assert likelihood(beta, found.log_nu + 0.01) < best
    assert likelihood(beta, found.log_nu - 0.01) < best


def test_the_order_is_found() -> None:
    ordered = 0
    names = sorted(TRUTH)
    for seed in range(1000, 1020):
        found = fit_with_draws(simulate(TRUTH, prompts=250, nu=0.8, seed=seed).people.rows, names)
        strengths = dict(zip(names, found.fit.strengths, strict=True))
        ordered += sorted(names, key=lambda name: -strengths[name]) == list(TRUTH)
    assert ordered / 20 >= 0.9


@pytest.mark.parametrize("by_length", [False, True])
def test_the_intervals_cover_the_truth_at_their_rate(by_length: bool) -> None:
    """In 80 draws of 40 prompts: at least 92 % of the strengths and of the wins, together.

    The figures of one draw depend on each other, so each is also counted by itself: as often as
    95 % intervals cover in 99 of 100 such tests.
    """
    draws, names, length_effect = 80, sorted(TRUTH), 0.8 if by_length else 0.0
    mean = sum(TRUTH.values()) / len(TRUTH)
    covered: Counter[str] = Counter()
    for seed in range(1000, 1000 + draws):
        recorder = simulate(TRUTH, prompts=40, nu=0.8, seed=seed, length_effect=length_effect)
        found = fit_with_draws(recorder.people.rows, names, by_length=by_length)
        prompts = [recorder.people.prompts()[name] for name in names]
        strengths = dict(zip(names, of_strengths(found, prompts), strict=True))
        wins = dict(zip(names, of_wins(found, prompts), strict=True))
        for name in names:
            covered[f"strength of {name}"] += covers(strengths[name], TRUTH[name] - mean)
            covered[f"wins of {name}"] += covers(wins[name], true_wins(name))
    fewest = binom.ppf(0.01 / len(covered), draws, 0.95)  # Bonferroni's bound for each figure
    assert {name: number for name, number in covered.items() if number < fewest} == {}
    for kind in ("strength", "wins"):
        together = sum(number for name, number in covered.items() if name.startswith(kind))
        assert together / (draws * len(names)) >= 0.92, kind


@pytest.mark.parametrize(("prompts", "share"), [(5, 0.0010), (40, 0.0203), (10_000, 0.0250)])
def test_intervals_of_few_prompts_reach_further_into_the_draws(prompts: int, share: float) -> None:
    """The normal share beyond sqrt(n / (n - 1)) times Student's quantile."""
    quantile = t.ppf(0.975, prompts - 1) * math.sqrt(prompts / (prompts - 1))
    assert tail_share(prompts) == pytest.approx(norm.sf(quantile), rel=0.02)
    assert tail_share(prompts) == pytest.approx(share, abs=0.0005)


def covers(found: Estimate, truth: float) -> bool:
    assert found.low is not None
    assert found.high is not None
    return found.low <= truth <= found.high


def true_wins(name: str, nu: float = 0.8) -> float:
    leads = np.array([TRUTH[name] - other for key, other in TRUTH.items() if key != name])
    win, _, tie = probabilities(leads, nu)
    return float((win + tie / 2).mean())


def test_at_equal_length_the_effect_of_length_is_taken_out() -> None:
    equal = dict.fromkeys(TRUTH, 0.0)
    lengths = {"best": 6.0, "good": 5.3, "fair": 4.7, "poor": 4.0}
    recorder = simulate(equal, prompts=1500, nu=0.5, seed=3, length_effect=1.2, log_lengths=lengths)
    board = leaderboard(recorder, 0.0)
    by_name = {one.source: one for one in board.standings}
    assert [one.source for one in board.standings] == list(TRUTH)  # by length alone
    assert by_name["best"].strength.value > 0.8
    assert all(covers(one.at_equal_length, 0) for one in board.standings)
    assert board.length_effect is not None
    assert covers(board.length_effect, 1.2)


def test_rewards_are_averaged_and_ranked_beside_people() -> None:
    board = leaderboard(simulate(TRUTH, prompts=300, nu=0.5, seed=1), 0.25)
    for one in board.standings:
        assert one.reward is not None
        assert one.reward.value == pytest.approx(TRUTH[one.source] - 0.25)
        assert one.model_wins is not None
    shares = [one.model_wins.value for one in board.standings if one.model_wins]
    assert shares == sorted(shares, reverse=True)


def test_sources_that_nothing_connects_are_left_out() -> None:
    rows = [
        PairRow(prompt, *pair, 0, 1, 0, 0)
        for prompt in range(6)
        for pair in (("a", "b"), ("c", "d"), ("b", "e"))
    ]
    assert connected(rows, ["a", "c", "b", "e", "d"]) == ["a", "b", "e"]
    assert connected([], []) == []


@pytest.mark.parametrize(("prompts", "board"), [(1, "ab"), (2, "ab"), (5, "abcd")])
def test_sources_that_hang_on_few_prompts_are_left_out(prompts: int, board: str) -> None:
    """Their strengths would have intervals as narrow as if many verdicts connected them."""
    found = SourceRecorder(OutcomeModel())
    for prompt in range(40):
        found.people.rows.append(PairRow(prompt, "a", "b", 0, prompt % 3 > 0, prompt % 3 == 0, 0))
        found.people.rows.append(
            PairRow(100 + prompt, "c", "d", 0, prompt % 3 > 0, prompt % 3 == 0, 0)
        )
    for prompt in range(200, 200 + prompts):
        found.people.rows.append(PairRow(prompt, "b", "c", 0, 1, 0, 0))
        found.people.rows.append(PairRow(prompt, "a", "b", 0, 1, 0, 0))
    standings = leaderboard(found, 0.0)
    assert "".join(sorted(one.source for one in standings.standings)) == board
    assert "".join(standings.left_out) == "abcd".removeprefix(board)


def test_few_prompts_make_no_leaderboard() -> None:
    board = leaderboard(simulate(TRUTH, prompts=4, nu=0.5, seed=1), 0.0)
    assert board.standings == []
    assert set(board.left_out) <= set(TRUTH)
    assert leaderboard(SourceRecorder(OutcomeModel()), 0.0).comparisons == 0


def test_the_same_data_give_the_same_board() -> None:
    boards = [leaderboard(simulate(TRUTH, prompts=60, nu=0.5, seed=2), 0.0) for _ in range(2)]
    assert boards[0] == boards[1]
