"""The difference of two runs and its interval, against numpy and against the truth."""

import numpy as np
import pandas as pd
import pytest

from labelapp.runs.paired_bootstrap import GROUPS, Gain, gains, intervals, ratio_interval
from training.selection.bootstrap import bootstrap, rate


def drawn(random, prompts):
    """Two runs that agree often: (prompt's comparisons, agreed by one, agreed by the other)."""
    comparisons = random.choice([1, 3, 6, 10], size=prompts)
    easy = random.beta(4, 2, size=prompts)
    shared = random.binomial(comparisons, easy * 0.6)
    one = shared + random.binomial(comparisons - shared, 0.3)
    other = shared + random.binomial(comparisons - shared, 0.36)
    return np.stack([comparisons, one, other]).astype(float)


def judgements(table, which):
    return {f"{place:05d}": (row[which], int(row[0])) for place, row in enumerate(table.T)}


def frame(table, which):
    return pd.DataFrame({"agreed": table[which], "comparisons": table[0]})


@pytest.mark.parametrize("prompts", [30, 120, 5 * GROUPS + 3])
def test_the_gain_and_its_interval_are_those_of_numpy(prompts):
    table = drawn(np.random.default_rng(3), prompts)
    [gain] = gains(judgements(table, 1), [judgements(table, 2)])
    assert gain.value == pytest.approx((table[2].sum() - table[1].sum()) / table[0].sum())
    low, high = bootstrap(
        lambda ours, theirs: rate(ours) - rate(theirs), frame(table, 2), frame(table, 1)
    )
    # Two samples of 2,000 differ by some percent of the interval.
    tolerance = 0.08 * (high - low)
    assert (gain.low, gain.high) == (
        pytest.approx(low, abs=tolerance), pytest.approx(high, abs=tolerance)
    )  # fmt: skip


def test_the_interval_covers_the_truth_in_95_of_100_draws():
    random = np.random.default_rng(1)
    population = drawn(random, 200_000)
    truth = (population[2].sum() - population[1].sum()) / population[0].sum()
    share = population[1].sum() / population[0].sum()
    covered = covered_shares = 0
    for _ in range(200):
        sample = population[:, random.integers(population.shape[1], size=100)]
        [(low, high)] = intervals((tuple(sample[2] - sample[1]),), tuple(sample[0]), 500)
        covered += low <= truth <= high
        low, high = ratio_interval(sample[1], sample[0])
        covered_shares += low <= share <= high
    assert 0.93 <= covered / 200 <= 0.97
    assert 0.93 <= covered_shares / 200 <= 0.97


def test_all_runs_are_compared_on_the_same_samples():
    table = drawn(np.random.default_rng(1), 30)
    one, other = judgements(table, 1), judgements(table, 2)
    [forth] = gains(one, [other])
    [back, itself] = gains(other, [one, other])
    assert (back.value, back.low, back.high) == pytest.approx(
        (-forth.value, -forth.high, -forth.low)
    )
    assert itself == Gain(0.0, 0.0, 0.0)


def test_there_is_no_interval_of_four_prompts():
    table = drawn(np.random.default_rng(1), 4)
    [gain] = gains(judgements(table, 1), [judgements(table, 2)])
    assert (gain.low, gain.high) == (None, None)


def test_other_comparisons_have_no_gain():
    table = drawn(np.random.default_rng(1), 9)
    whole = judgements(table, 1)
    part = dict(list(whole.items())[1:])
    more = whole | {"00000": (0.0, 99)}
    assert gains(whole, [part, more, {}]) == [None, None, None]
    assert gains({}, [whole]) == [None]
