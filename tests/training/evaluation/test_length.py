"""Rewards without the part that length explains."""

import math

import numpy as np
import pandas as pd
import pytest

from training.evaluation import metrics
from training.evaluation.length import FEWEST_PROMPTS, length_partialled
from training.runs.length import LengthPart, stored_part


def simulated(prompts: int, slope: float, seed: int = 0):
    """Rewards that are quality and a function of length; people go by quality alone."""
    dice = np.random.default_rng(seed)
    rewards, characters, rows = {}, {}, []
    for number in range(prompts):
        lengths = np.exp(dice.uniform(3, 8, 6)).astype(int)
        quality = dice.normal(size=6)
        name = f"{number:04}"
        rewards[name] = list(quality + slope * np.log(lengths) + dice.normal())
        characters[name] = lengths.tolist()
        for better in range(6):
            for worse in range(6):
                if quality[better] > quality[worse]:
                    margin = rewards[name][better] - rewards[name][worse]
                    rows.append((name, margin, lengths[better], lengths[worse]))
    comparisons = pd.DataFrame(
        rows, columns=["prompt", "margin", "characters_better", "characters_worse"]
    )
    comparisons["agreed"] = metrics.agreed(comparisons["margin"])
    return rewards, characters, comparisons


@pytest.mark.parametrize("slope", [0.0, 0.6, -1.5])
def test_what_is_left_does_not_go_by_length(slope):
    rewards, characters, comparisons = simulated(300, slope)
    found = length_partialled(rewards, characters, comparisons)
    assert abs(found["pearson"]) < 0.05
    assert abs(found["spearman"]) < 0.05
    assert found["spearman_low"] < 0 < found["spearman_high"]
    assert found["spearman_low"] < found["spearman"] < found["spearman_high"]
    assert found["accuracy"] > 0.97
    assert found["gain"] == pytest.approx(found["accuracy"] - comparisons["agreed"].mean())
    assert (found["gain_low"] > 0) == (slope != 0)
    # What is stored does the same.
    part = LengthPart(found["coefficients"], found["shortest"], found["longest"])
    left = {
        name: [r - part.of(c) for r, c in zip(row, characters[name], strict=True)]
        for name, row in rewards.items()
    }
    table = pd.DataFrame(
        [
            (name, reward, length)
            for name, row in left.items()
            for reward, length in zip(row, characters[name], strict=True)
        ],
        columns=["prompt", "reward", "characters"],
    )
    assert table["reward"].mean() == pytest.approx(np.mean(list(rewards.values())))
    within = table[["reward", "characters"]] - table.groupby("prompt").transform("mean")
    assert metrics.correlation(within) == pytest.approx(0, abs=1e-6)


def test_few_prompts_have_a_wide_interval():
    """What is left of the correlation on few prompts is noise, and the interval says so."""
    wide, narrow = (
        found["spearman_high"] - found["spearman_low"]
        for found in (length_partialled(*simulated(prompts, 1.0)) for prompts in (15, 300))
    )
    assert wide > 3 * narrow
    assert wide > 0.3


def test_the_price_is_told_where_people_prefer_long_responses():
    """The figures are of prompts from which the coefficients were not learned."""
    _, characters, comparisons = simulated(200, 0.0)
    longer = {name: [float(np.log(c)) for c in row] for name, row in characters.items()}
    better, worse = comparisons["characters_better"], comparisons["characters_worse"]
    is_swapped = better < worse
    by_length = comparisons.assign(
        margin=np.log(np.maximum(better, worse)) - np.log(np.minimum(better, worse)),
        characters_better=np.where(is_swapped, worse, better),
        characters_worse=np.where(is_swapped, better, worse),
    )
    by_length["agreed"] = metrics.agreed(by_length["margin"])
    found = length_partialled(longer, characters, by_length)
    assert found["gain_high"] < -0.2


def test_too_few_prompts_and_responses_of_one_length():
    assert length_partialled(*simulated(FEWEST_PROMPTS - 1, 0.5)) is None
    rewards, characters, comparisons = simulated(FEWEST_PROMPTS, 0.0)
    same = {name: [100] * 6 for name in characters}
    level = comparisons.assign(characters_better=100, characters_worse=100)
    found = length_partialled(rewards, same, level)
    assert found["accuracy"] == comparisons["agreed"].mean()
    assert found["gain"] == 0
    assert math.isnan(found["spearman"])


def test_a_length_never_seen_counts_as_the_nearest_one():
    """A curve that was learned from 20 to 3,000 characters knows nothing of 3 or of 50,000."""
    found = length_partialled(*simulated(100, -1.5))
    part = LengthPart(found["coefficients"], found["shortest"], found["longest"])
    assert 20 <= part.shortest < 30
    assert 2_500 < part.longest <= 2_981
    assert part.of(0) == part.of(3) == part.of(part.shortest)
    assert part.of(50_000) == part.of(part.longest)
    assert part.of(100) != part.of(part.shortest)


STORED = {"coefficients": [1.0, 2, 0.5, -1.0], "shortest": 3, "longest": 900}


def test_what_is_stored_is_read_again():
    assert stored_part(STORED) == LengthPart((1.0, 2.0, 0.5, -1.0), 3, 900)


@pytest.mark.parametrize(
    "stored",
    [
        None,
        [],
        "abc",
        {},
        *(STORED | {"coefficients": c} for c in ("abcd", [1.0, 2.0], [1, 2, 3, None], [1e999] * 4)),
        *(STORED | {"shortest": shortest} for shortest in (None, "3", 901, 1e999)),
        {"coefficients": [1.0, 2, 0.5, -1.0]},
    ],
)
def test_a_stored_value_that_cannot_be_one_is_none(stored):
    assert stored_part(stored) is None
