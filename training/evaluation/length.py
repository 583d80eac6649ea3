"""The reward without the part that length explains, and what that costs in accuracy.

Within a prompt, rewards are regressed on functions of the responses' lengths, and what the
regression explains is taken away. One of the functions is the length itself, so that what is left
is uncorrelated with it (Frisch and Waugh 1933, Econometrica 1 (4), pages 387-401).

Shapes: R responses, C comparisons, F functions of a length.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from training.evaluation import metrics
from training.runs.length import LengthPart, functions
from training.selection.bootstrap import Sums, bootstrap

FOLDS = 5
FEWEST_PROMPTS = 10
"""Prompts from which the part of length is learned."""


def length_partialled(
    rewards: dict[str, list[float]], characters: dict[str, list[int]], comparisons: pd.DataFrame
) -> dict[str, Any] | None:
    """Return the part of length, and the figures of the rewards without it.

    The figures are of prompts from which the coefficients were not learned. Returns None where
    there are too few prompts.

    Args:
        rewards, characters: of each prompt's responses, by prompt.
        comparisons: metrics.comparison_table with prompt and margin.
    """
    if len(rewards) < FEWEST_PROMPTS:
        return None
    responses = pd.DataFrame(
        [
            (number, prompt, reward, length)
            for number, (prompt, row) in enumerate(sorted(rewards.items()))
            for reward, length in zip(row, characters[prompt], strict=True)
        ],
        columns=["number", "prompt", "reward", "characters"],
    )
    fold_R = responses["number"].to_numpy() % FOLDS
    folds = dict(zip(responses["prompt"], fold_R, strict=True))
    fold_C = comparisons["prompt"].astype(str).map(folds).to_numpy()
    left_R = responses["reward"].to_numpy().copy()
    margin_C = comparisons["margin"].to_numpy().copy()
    for fold in range(FOLDS):
        others = fold_R != fold
        part, here = fit(responses[others]), fold_C == fold
        left_R[~others] -= explained(responses["characters"][~others], part)
        margin_C[here] -= explained(comparisons["characters_better"][here], part)
        margin_C[here] += explained(comparisons["characters_worse"][here], part)
    without = responses.assign(reward=left_R)
    figures = metrics.length_figures(without, comparisons.assign(margin=margin_C))
    return {
        **fit(responses)._asdict(),
        "pearson": figures["pearson_within_prompts"],
        **spearman(without),
        **accuracies(comparisons, margin_C),
    }


def spearman(responses: pd.DataFrame) -> dict[str, float]:
    """Return the correlation of ranks within prompts, with its interval over prompts."""
    prompts = responses["number"].to_numpy()
    ranks = responses[["reward", "characters"]].groupby(prompts).rank()
    reward, characters = (ranks - ranks.groupby(prompts).transform("mean")).to_numpy().T
    sums = pd.DataFrame({"both": reward * characters, "reward": reward**2, "length": characters**2})
    by_prompt = sums.groupby(prompts).sum()
    low, high = bootstrap(correlations, by_prompt)
    total = by_prompt.to_numpy().sum(axis=0, keepdims=True)
    return {
        "spearman": float(correlations(total)[0]),
        "spearman_low": low,
        "spearman_high": high,
    }


def correlations(sums_S3: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the correlations (S,), given sums of products and of either's squares."""
    sizes_S = np.sqrt(sums_S3[:, 1] * sums_S3[:, 2])
    found_S: NDArray[np.float64] = np.divide(
        sums_S3[:, 0], sizes_S, out=np.full(len(sizes_S), np.nan), where=sizes_S > 0
    )
    return found_S


def explained(characters: pd.Series[Any], part: LengthPart) -> NDArray[np.float64]:
    """Return the part of rewards (R,) that the lengths of their responses explain."""
    values = {one: part.of(one) for one in characters.unique().tolist()}
    return characters.map(values).to_numpy(np.float64)


def fit(responses: pd.DataFrame) -> LengthPart:
    """Return the regression of rewards on functions of length within prompts."""
    functions_RF = np.array([functions(one) for one in responses["characters"]])
    table = pd.DataFrame(functions_RF).assign(reward=responses["reward"].to_numpy())
    prompts = responses["number"].to_numpy()
    within = (table - table.groupby(prompts).transform("mean")).to_numpy()
    found_F = np.linalg.lstsq(within[:, :-1], within[:, -1], rcond=None)[0]
    found_F[-1] = -float((functions_RF[:, :-1] @ found_F[:-1]).mean())  # so that the mean stays
    characters = responses["characters"]
    return LengthPart(tuple(found_F.tolist()), int(characters.min()), int(characters.max()))


def accuracies(comparisons: pd.DataFrame, margin_C: NDArray[np.float64]) -> dict[str, Any]:
    """Return the accuracy of margins, and its difference from that of the model's own."""
    agreed = metrics.agreed(margin_C)
    sums = Sums(
        pd.DataFrame({"agreed": agreed, "gain": agreed - comparisons["agreed"], "all": 1.0})
        .groupby(comparisons["prompt"].to_numpy(), observed=True)
        .sum()
    )
    return {**sums.ratio("accuracy", "agreed", "all"), **sums.ratio("gain", "gain", "all")}
