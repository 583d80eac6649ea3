"""Bootstrap intervals over prompts.

Shapes: S bootstrap samples, Q prompts, C columns of sums.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from training.runs.caveats import FEWEST_PROMPTS

BOOTSTRAP_SAMPLES = 2000
BOOTSTRAP_SEED = 0


def by_prompt(table: pd.DataFrame) -> pd.DataFrame:
    """Return the sums of agreed and comparisons, one row for each prompt."""
    return table.groupby("prompt")[["agreed", "comparisons"]].sum().sort_index()


def rate(sums_S2: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the accuracies (S,), given sums of comparisons agreed with and of all comparisons."""
    accuracies_S: NDArray[np.float64] = sums_S2[:, 0] / sums_S2[:, 1]
    return accuracies_S


def bootstrap(
    statistic: Callable[..., NDArray[np.float64]], *counts: pd.DataFrame
) -> tuple[float, float]:
    """Return the 95 % interval of a statistic of sums over prompts; NaN, NaN with too few prompts.

    Prompts are resampled, because one prompt's rankings are not independent. Each table of counts
    has one row for each prompt. Every sample draws the same prompts from all tables, out of those
    that all tables have.

    The percentile method, Efron and Tibshirani 1993, section 13.3.
    """
    shared = pd.concat(counts, axis=1, join="inner").to_numpy(dtype=float)
    if len(shared) < FEWEST_PROMPTS:
        return math.nan, math.nan
    sums_SC = resampled(shared)
    low, high = np.percentile(statistic(*np.split(sums_SC, len(counts), axis=1)), [2.5, 97.5])
    return float(low), float(high)


def resampled(counts_QC: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sums (S, C) over samples of the rows, drawn with replacement and a fixed seed."""
    random = np.random.default_rng(BOOTSTRAP_SEED)
    # One sample at a time, because all at once would take gigabytes with many held-out prompts.
    drawn = (random.integers(len(counts_QC), size=len(counts_QC)) for _ in range(BOOTSTRAP_SAMPLES))
    return np.array([counts_QC[places_Q].sum(axis=0) for places_Q in drawn])


class Sums:
    """Hold sums over prompts, and the same sums in each bootstrap sample of the prompts.

    The samples are the same for all figures, so a difference of two accuracies is a ratio of sums
    too: of the difference of what was agreed with to the comparisons.
    """

    def __init__(self, by_prompt: pd.DataFrame) -> None:
        """Draw the samples of a table with one row for each prompt."""
        self._by_prompt = by_prompt
        enough = len(by_prompt) >= FEWEST_PROMPTS
        samples_SC = resampled(by_prompt.to_numpy(dtype=float)) if enough else None
        self._samples = pd.DataFrame(samples_SC, columns=by_prompt.columns)

    @property
    def columns(self) -> pd.Index[Any]:
        return self._by_prompt.columns

    def ratio(self, name: str, above: str, below: str) -> dict[str, float | None]:
        """Return the ratio of two columns' sums, with its 95 % interval as name_low and name_high.

        There is no interval where fewer than FEWEST_PROMPTS prompts have a part in it.
        """
        totals = self._by_prompt.sum()
        found = float(totals[above] / totals[below]) if totals[below] else None
        low = high = None
        if (self._by_prompt[below] > 0).sum() >= FEWEST_PROMPTS:
            drawn = self._samples[self._samples[below] > 0]
            low, high = np.percentile(drawn[above] / drawn[below], [2.5, 97.5]).tolist()
        return {name: found, f"{name}_low": low, f"{name}_high": high}


def mean_difference(
    one_S2: NDArray[np.float64], other_S2: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the difference of two weighted means, given (value, weight) summed over each sample.

    Both have the weights of the first one.
    """
    return (one_S2[:, 0] - other_S2[:, 0]) / one_S2[:, 1]
