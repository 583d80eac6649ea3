"""Temperatures that make probabilities come true, and say so only where they do."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from training.evaluation.temperature import fit, temperature


def comparisons(prompts, each, stated, true, seed=0):
    """Return comparisons whose leads are `stated` times what people's choices follow."""
    rng = np.random.default_rng(seed)
    lead = rng.normal(0, true, prompts * each)
    won = np.where(rng.random(len(lead)) < expit(lead), lead, -lead)
    names = np.repeat([f"{number:04}" for number in range(prompts)], each)
    return pd.DataFrame({"prompt": pd.Categorical(names), "margin": stated * won})


@pytest.mark.parametrize("stated", [0.25, 4.0])
def test_it_finds_by_how_much_leads_are_too_small_or_too_large(stated):
    found = temperature(comparisons(400, 20, stated, 1.5))
    assert found["value"] == pytest.approx(stated, rel=0.06)
    assert found["calibration"]["ece"] < 0.02


def test_calibration_after_it_is_better_than_before():
    table = comparisons(100, 10, 3.0, 1.0)
    margin = table["margin"].to_numpy()
    before = float(np.logaddexp(0.0, -margin).mean())
    found = temperature(table)
    assert found["log_loss"] < before
    assert sum(each["comparisons"] for each in found["calibration"]["bins"]) == 1000


def test_a_calibrated_model_keeps_its_probabilities():
    assert temperature(comparisons(30, 2, 1.0, 1.0, seed=3))["value"] == 1.0


def test_few_prompts_have_none():
    assert temperature(comparisons(9, 10, 2.0, 1.0)) is None
    assert temperature(comparisons(0, 10, 2.0, 1.0)) is None


def test_leads_that_mean_nothing_become_small():
    rng = np.random.default_rng(0)
    assert fit(rng.choice([-1.0, 1.0], 1000)) > 5


def test_probabilities_are_calibrated_where_leads_are_known_more_or_less_well():
    """What is stated is a draw around the lead that people follow, and its variance is known."""
    table, rng = comparisons(800, 20, 1.0, 1.0), np.random.default_rng(1)
    variance = rng.choice([0.01, 4.0], len(table))
    lead = table["margin"] / (1 + variance)  # the mean of the leads that are possible
    certain = rng.normal(lead, np.sqrt(variance / (1 + variance)))
    won = rng.random(len(table)) < expit(certain)
    table["margin"] = np.where(won, lead, -lead)
    aware = temperature(table, variance / (1 + variance))
    assert aware["log_loss"] < temperature(table)["log_loss"]
    assert aware["calibration"]["ece"] < 0.02
