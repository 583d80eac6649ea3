"""Bootstrap intervals over prompts, for figures that are fitted or grouped.

One prompt's rankings are not independent, so whole prompts are drawn. The percentile method, Efron
and Tibshirani 1993, section 13.3, with percentiles that are wider where prompts are few.

Shapes: Q prompts, N rows, G groups, D draws.
"""

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, t

from labelapp.reviewing.results import Estimate
from training.runs.caveats import FEWEST_PROMPTS

DRAWS = 400
SEED = 0
OUTSIDE = 0.025  # of a 95 % interval, on either side

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
    found = []
    for value, drawn_D, prompts in zip(values_G, np.array(drawn).T, prompts_G, strict=True):
        drawn_D = drawn_D[np.isfinite(drawn_D)]
        if prompts < FEWEST_PROMPTS or not len(drawn_D):
            found.append(Estimate(float(value)))
            continue
        tail = tail_share(prompts)
        # Of D draws, the k-th has a share of k / (D + 1) below it.
        low, high = np.quantile(drawn_D, [tail, 1 - tail], method="weibull")
        found.append(Estimate(float(value), float(low), float(high)))
    return found


def tail_share(prompts: int) -> float:
    """Return the share of the draws on each side of a 95 % interval over this many prompts.

    Draws of n prompts vary less than their mean does, by sqrt((n - 1) / n), and as the normal
    distribution does, not Student's: the expanded percentiles of Hesterberg 2015, The American
    Statistician 69 (4), pages 371-386, section 5.3.
    """
    return float(norm.sf(math.sqrt(prompts / (prompts - 1)) * t.isf(OUTSIDE, prompts - 1)))


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
