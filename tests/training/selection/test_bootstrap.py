"""Intervals over prompts."""

import math

import pandas as pd
import pytest

from training.selection.bootstrap import (
    Sums,
    bootstrap,
    by_prompt,
    rate,
)


def interval(table):
    return bootstrap(rate, by_prompt(table))


def test_the_interval_is_over_prompts_and_the_same_each_time():
    # Ten rankings of each prompt, all alike: as ten prompts they would look far surer.
    rows = [
        {"prompt": str(prompt), "agreed": prompt % 2, "comparisons": 1}
        for prompt in range(6)
        for _ in range(10)
    ]
    low, high = interval(pd.DataFrame(rows))
    # Of six prompts, three right: 2.5 % of the samples have at most one right, and at least five.
    assert (low, high) == (1 / 6, 5 / 6)
    assert interval(pd.DataFrame(rows)) == (low, high)


def test_the_interval_holds_the_accuracy():
    rows = [{"prompt": str(n), "agreed": n % 3 > 0, "comparisons": 1} for n in range(9)]
    low, high = interval(pd.DataFrame(rows))
    assert 0 < low < 6 / 9 < high < 1


def test_there_is_no_interval_over_a_handful_of_prompts():
    rows = [{"prompt": str(n), "agreed": n % 2, "comparisons": 1} for n in range(4)]
    assert all(math.isnan(end) for end in interval(pd.DataFrame(rows)))


def test_the_interval_narrows_with_more_prompts():
    def width(prompts):
        rows = [{"prompt": str(n), "agreed": n % 2, "comparisons": 1} for n in range(prompts)]
        low, high = interval(pd.DataFrame(rows))
        return high - low

    assert width(400) == pytest.approx(2 * 1.96 * 0.5 / 20, rel=0.1)
    assert width(400) < width(40) / 2


def test_a_ratio_has_the_interval_of_the_bootstrap():
    table = pd.DataFrame({"agreed": [3.0, 1, 2, 2, 0, 4], "comparisons": [4.0, 1, 3, 6, 1, 5]})
    found = Sums(table).ratio("accuracy", "agreed", "comparisons")
    assert found["accuracy"] == pytest.approx(12 / 20)
    assert (found["accuracy_low"], found["accuracy_high"]) == bootstrap(rate, table)


def test_a_difference_is_surer_than_what_it_is_between():
    """Prompts differ, and on each the model is a little better: only the difference is sure."""
    agreed = [1.0, 9, 2, 8, 3, 7, 1, 9]
    table = pd.DataFrame({"agreed": agreed, "over": [1.0] * 8, "comparisons": [10.0] * 8})
    sums = Sums(table)
    gain = sums.ratio("gain", "over", "comparisons")
    assert gain == pytest.approx({"gain": 0.1, "gain_low": 0.1, "gain_high": 0.1})
    accuracy = sums.ratio("accuracy", "agreed", "comparisons")
    assert accuracy["accuracy_high"] - accuracy["accuracy_low"] > 0.3


def test_only_prompts_with_a_part_in_a_figure_count_for_its_interval():
    table = pd.DataFrame({"agreed": [1.0] * 4 + [0.0] * 4, "comparisons": [1.0] * 4 + [0.0] * 4})
    found = Sums(table).ratio("accuracy", "agreed", "comparisons")
    assert found == {"accuracy": 1.0, "accuracy_low": None, "accuracy_high": None}


def test_a_figure_of_nothing_is_not_known():
    table = pd.DataFrame({"agreed": [], "comparisons": []}, dtype=float)
    found = Sums(table).ratio("accuracy", "agreed", "comparisons")
    assert set(found.values()) == {None}
