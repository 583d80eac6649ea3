"""A temperature that makes the probabilities of comparisons come true.

The probability that one response beats another is sigmoid(lead / T), with T learned from held-out
comparisons: temperature scaling, Guo et al. 2017, arXiv 1706.04599, section 4.2. The order of
responses stays the same. Where the variance of a lead is known, T^2 + (pi / 8) variance stands in
the place of T^2: the probit approximation of the mean probability, MacKay 1992, Neural Computation
4 (5), pages 720-736.

Shapes: C comparisons.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from training.evaluation import metrics
from training.runs.outcomes import PROBIT

FOLDS = 5
FEWEST_PROMPTS = 10
"""Prompts from which a temperature is learned."""
WIDEST = 5.0
"""Limit of the logarithm of a temperature."""


def fit(margin: NDArray[np.float64], variance: NDArray[np.float64] | float = 0.0) -> float:
    """Return the temperature T with the least log loss of margins (C,) with variances (C,)."""
    found = minimize_scalar(
        lambda log: metrics.log_loss(scaled(margin, variance, np.exp(log))),
        bounds=(-WIDEST, WIDEST),
    )
    return float(np.exp(found.x))


def scaled(
    margin: NDArray[np.float64], variance: NDArray[np.float64] | float, temperature: float
) -> NDArray[np.float64]:
    """Return the margins (C,) whose sigmoid is the probability."""
    found: NDArray[np.float64] = margin / np.sqrt(temperature**2 + PROBIT * variance)
    return found


def temperature(
    comparisons: pd.DataFrame, variance: NDArray[np.float64] | None = None
) -> dict[str, Any] | None:
    """Return the temperature of comparisons, and how well it does on prompts that it did not see.

    The log loss and the calibration are those of temperatures that were learned from the other
    prompts. The temperature is 1 unless that log loss is lower than without one. Returns None where
    there are too few prompts.

    Args:
        comparisons: one row for each: prompt, margin.
        variance: of each margin.
    """
    numbers = np.unique(comparisons["prompt"].to_numpy(), return_inverse=True)[1]
    if numbers.max(initial=-1) + 1 < FEWEST_PROMPTS:
        return None
    margin = comparisons["margin"].to_numpy()
    spread = np.zeros_like(margin) if variance is None else variance
    found = np.empty_like(margin)
    for fold in range(FOLDS):
        inside = numbers % FOLDS == fold
        learned = fit(margin[~inside], spread[~inside])
        found[inside] = scaled(margin[inside], spread[inside], learned)
    plain = scaled(margin, spread, 1.0)
    before, after = metrics.log_loss(plain), metrics.log_loss(found)
    helps = after < before
    return {
        "value": fit(margin, spread) if helps else 1.0,
        "log_loss": after if helps else before,
        "calibration": metrics.calibration(found if helps else plain),
    }
