"""The differences of two runs in accuracy at near-equal length and in log loss."""

import numpy as np
import pytest
from numpy.typing import NDArray

from labelapp.models import Member, TrainingRun
from labelapp.runs import process
from labelapp.runs.comparison.comparing import compare
from labelapp.runs.comparison.comparison_table import difference
from labelapp.runs.comparison.measures import LOG_LOSS, NEAR_EQUAL
from tests.labelapp.runs.pages import AddRun
from tests.labelapp.runs.test_comparing import cells, get

pytestmark = pytest.mark.django_db

PROMPTS = 40


def stored(run: TrainingRun, seed: int, better: float) -> NDArray[np.float64]:
    """Give a run sums of its own, and return those at near-equal length and of log loss."""
    dice = np.random.default_rng(seed)
    near = np.arange(PROMPTS) % 4  # a quarter of the prompts has none
    right = np.minimum(near, dice.integers(0, 3, PROMPTS) + better)
    loss = 10 * (0.7 - 0.1 * better) + dice.normal(0, 0.4, PROMPTS)
    process.run_folder(run).write_judgements(
        {
            "prompt": f"{place:03d}", "agreed": 6.0, "comparisons": 10, "log_loss": loss[place],
            "near_agreed": right[place], "near_comparisons": int(near[place]),
        }
        for place in range(PROMPTS)
    )  # fmt: skip
    held_out = run.metrics["held_out"]
    held_out["log_loss"] = loss.sum() / (10 * PROMPTS)
    held_out["near_equal"] |= {"comparisons": int(near.sum()), "accuracy": right.sum() / near.sum()}
    run.save()
    return np.stack([right, loss])


def ends(
    differences: NDArray[np.float64],
    counts: NDArray[np.float64],
) -> list[float]:
    """The interval by the multinomial counts of the prompts, with another generator."""
    times = np.random.default_rng(9).multinomial(
        len(counts), [1 / len(counts)] * len(counts), 20_000
    )
    return [
        float(end) for end in np.percentile((times @ differences) / (times @ counts), [2.5, 97.5])
    ]


def test_each_difference_has_the_interval_of_what_is_stored(add_run: AddRun) -> None:
    one, other = add_run([6.0] * PROMPTS), add_run([6.0] * PROMPTS)
    gained = stored(other, 2, 1.0) - stored(one, 1, 0.0)
    found = compare([one, other], "").runs[1].differences
    near = np.arange(PROMPTS) % 4
    for measure, differences, counts in (
        (NEAR_EQUAL, gained[0][near > 0], near[near > 0]),
        (LOG_LOSS, gained[1], np.full(PROMPTS, 10)),
    ):
        low, high = ends(differences, counts)
        tolerance = 0.08 * (high - low)  # two generators
        gain = found[measure]
        assert gain.value == pytest.approx(differences.sum() / counts.sum())
        assert gain.low == pytest.approx(low, abs=tolerance)
        assert gain.high == pytest.approx(high, abs=tolerance)
        known = [measure.mean(run.held_out) for run in (one, other)]
        assert known[0] is not None
        assert known[1] is not None
        assert gain.value == pytest.approx(known[1] - known[0])


def test_the_page_says_which_way_is_better(add_run: AddRun, manager: Member) -> None:
    one, other = add_run([6.0] * PROMPTS), add_run([6.0] * PROMPTS)
    stored(one, 1, 0.0)
    stored(other, 2, 1.0)
    page = get(manager, one, other)
    differences = compare([one, other], "").runs[1].differences
    near, loss = differences[NEAR_EQUAL], differences[LOG_LOSS]
    assert near.low is not None
    assert near.low > 0
    assert loss.high is not None
    assert loss.high < 0
    assert cells(page, "Difference at near-equal length")[1].startswith(
        f"+{100 * near.value:.1f} +"
    )
    assert cells(page, "Difference in log loss")[1].startswith(f"−{-loss.value:.3f} −")
    tones = {}
    for reference in (one, other):
        against = next(
            each for each in compare([one, other], str(reference.pk)).runs if not each.is_reference
        )
        tones[reference] = [difference(against, measure).tone for measure in (NEAR_EQUAL, LOG_LOSS)]
    assert tones == {one: ["better", "better"], other: ["worse", "worse"]}


def test_a_run_of_an_earlier_version_has_differences_without_interval(
    add_run: AddRun, manager: Member
) -> None:
    one, other = add_run([6.0] * PROMPTS), add_run([7.0] * PROMPTS)  # judgements of an earlier one
    stored(one, 1, 0.0)
    loss = other.held_out["log_loss"] - one.held_out["log_loss"]
    page = get(manager, one, other)
    written = f"{abs(loss):.3f} no interval"
    assert cells(page, "Difference in log loss")[1] == ("−" if loss < 0 else "+") + written
    assert cells(page, "Difference at near-equal length")[1].endswith(" no interval")
    assert "+10.0 +10.0 to +10.0" in cells(page, f"Difference from run {one.pk}")
    other.metrics["held_out"].pop("log_loss")
    other.save()
    assert cells(get(manager, one, other), "Difference in log loss")[1] == "–"
