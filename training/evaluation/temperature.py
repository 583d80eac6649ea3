"""A temperature that makes the probabilities of comparisons come true.

The probability that one response beats another is sigmoid(lead / T), with T learned from held-out
comparisons: temperature scaling, Guo et al. 2017, arXiv 1706.04599, section 4.2. The order of
responses stays the same.

Shapes: C comparisons.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from training.evaluation import metrics

FOLDS = 5
FEWEST_PROMPTS = 10
"""Prompts from which a temperature is learned."""
WIDEST = 5.0
"""Limit of the logarithm of a temperature."""


def fit(margin: NDArray[np.float64]) -> float:
    """Return the temperature T with the least log loss of margins (C,)."""
    found = minimize_scalar(
        lambda log: metrics.log_loss(margin * np.exp(-log)), bounds=(-WIDEST, WIDEST)
    )
    return float(np.exp(found.x))


def temperature(comparisons: pd.DataFrame) -> dict[str, Any] | None:
    """Return the temperature of comparisons, and how well it does on prompts that it did not see.

    The log loss and the calibration are those of temperatures that were learned from the other
    prompts. The temperature is 1 unless that log loss is lower than without one. Returns None where
    there are too few prompts.

    Args:
        comparisons: one row for each: prompt, margin.
    """
    numbers = np.unique(comparisons["prompt"].to_numpy(), return_inverse=True)[1]
    if numbers.max(initial=-1) + 1 < FEWEST_PROMPTS:
        return None
    margin = comparisons["margin"].to_numpy()
    scaled = np.empty_like(margin)
    for fold in range(FOLDS):
        inside = numbers % FOLDS == fold
        scaled[inside] = margin[inside] / fit(margin[~inside])
    before, after = metrics.log_loss(margin), metrics.log_loss(scaled)
    helps = after < before
    return {
        "value": fit(margin) if helps else 1.0,
        "log_loss": after if helps else before,
        "calibration": metrics.calibration(scaled if helps else margin),
    }
