"""Bootstrap intervals over prompts, for figures that are fitted or grouped.

One prompt's rankings are not independent, so whole prompts are drawn. The percentile method, Efron
and Tibshirani 1993, section 13.3.

Shapes: Q prompts, N rows, G groups, D draws.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from labelapp.reviewing.results import Estimate
from training.runs.caveats import FEWEST_PROMPTS

DRAWS = 400
SEED = 0

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def prompt_weights(prompts: int, draws: int = DRAWS) -> Iterator[Floats]:
    """Yield how often each prompt (Q,) is drawn, with a fixed seed."""
    random = np.random.default_rng(SEED)
    for _ in range(draws):
        drawn = random.integers(prompts, size=prompts)
        yield np.bincount(drawn, minlength=prompts).astype(float)


def estimates(
    values_G: Floats, drawn: Sequence[Floats], prompts_G: Sequence[int]
) -> list[Estimate]:
    """Return figures with the interval of their draws, where enough prompts have a part in them."""
    if not drawn:
        return [Estimate(float(value)) for value in values_G]
    low_G, high_G = np.nanpercentile(np.array(drawn), [2.5, 97.5], axis=0)
    return [
        Estimate(float(value), float(low), float(high))
        if prompts >= FEWEST_PROMPTS and np.isfinite(low)
        else Estimate(float(value))
        for value, low, high, prompts in zip(values_G, low_G, high_G, prompts_G, strict=True)
    ]


def group_means(
    prompt_N: Integers, group_N: Integers, value_N: Floats, groups: int
) -> list[Estimate]:
    """Return the mean value of each group, which must not be empty."""
    index_N, codes = np.unique(prompt_N, return_inverse=True)

    def means(weight_N: Floats) -> Floats:
        sums_G = np.bincount(group_N, weights=weight_N * value_N, minlength=groups)
        counts_G = np.bincount(group_N, weights=weight_N, minlength=groups)
        with np.errstate(invalid="ignore"):
            return np.asarray(sums_G / counts_G)

    prompts_G = [len(np.unique(codes[group_N == group])) for group in range(groups)]
    drawn = [means(weight_Q[codes]) for weight_Q in prompt_weights(len(index_N))]
    return estimates(means(np.ones(len(value_N))), drawn, prompts_G)


def statistic(prompt_N: Integers, find: Callable[[Floats], float]) -> Estimate | None:
    """Return a statistic of weighted rows, or None where it is not defined."""
    index_N, codes = np.unique(prompt_N, return_inverse=True)
    value = find(np.ones(len(prompt_N)))
    if not np.isfinite(value):
        return None
    drawn = [np.array([find(weight_Q[codes])]) for weight_Q in prompt_weights(len(index_N))]
    [found] = estimates(np.array([value]), drawn, [len(index_N)])
    return found
