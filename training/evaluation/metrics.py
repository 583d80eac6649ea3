"""Metrics of how rewards agree with people, from tables of rankings and of comparisons.

Shapes: N rankings, K responses of the longest ranking (shorter ones are padded with rank 0),
C pairs of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import entr, expit

from training.rankings import UNRANKED, Ties
from training.runs.length import BOUNDS, LENGTHS, NEAR_EQUAL
from training.selection.bootstrap import Sums

WIDEST_GAP = 3
"""Rank gap from which all gaps are counted together."""
CALIBRATION_BINS = 10
INTERVALS = 20
"""Groups of comparisons whose accuracy has an interval, at most."""
MOST_PROMPTS = 1000
"""Prompts, or groups of them, that are resampled for these intervals."""


# Tables


def padded(rows: Sequence[Sequence[float]], dtype: type) -> NDArray[Any]:
    """Return rows of up to K values as one array (N, K), with 0 where a row is shorter."""
    found_NK: NDArray[Any] = np.zeros((len(rows), max(map(len, rows))), dtype)
    for row_K, values in zip(found_NK, rows, strict=True):
        row_K[: len(values)] = values
    return found_NK


def groups_of(groups: Sequence[Sequence[int]], K: int) -> NDArray[np.int64]:
    """Return the groups of rankings as one array (N, K), where empty ones mean that all differ."""
    groups_NK = np.tile(np.arange(K), (len(groups), 1))
    for row_K, numbers in zip(groups_NK, groups, strict=True):
        row_K[: len(numbers)] = numbers
    return groups_NK


def known_pairs(
    ranks_NK: NDArray[Any], groups_NK: NDArray[Any] | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Return the places of all pairs (C,) and (C,), and True for those that count (N, C).

    Pairs that share a number in `groups_NK`, and those of two unranked responses, do not.
    """
    first_C, second_C = np.triu_indices(ranks_NK.shape[1], k=1)
    first_NC, second_NC = ranks_NK[:, first_C], ranks_NK[:, second_C]
    known_NC = (first_NC > 0) & (second_NC > 0) & ((first_NC != UNRANKED) | (second_NC != UNRANKED))
    if groups_NK is not None:
        known_NC &= groups_NK[:, first_C] != groups_NK[:, second_C]
    return first_C, second_C, known_NC


def comparison_table(
    ranks_NK: NDArray[Any], characters_NK: NDArray[Any], groups_NK: NDArray[Any] | None = None
) -> pd.DataFrame:
    """Return a table of comparisons, that is of pairs of responses with different ranks.

    Responses that share a number in `groups_NK` are not compared.

    Columns: ranking (its row), better and worse (places in the ranking), gap (difference of their
    ranks), characters_better, characters_worse, near (True if these are near-equal).
    """
    first_C, second_C, known_NC = known_pairs(ranks_NK, groups_NK)
    is_ranked_NK = ranks_NK != UNRANKED
    last_N1 = (ranks_NK * is_ranked_NK).max(1, keepdims=True)
    ranks_NK = np.where(is_ranked_NK, ranks_NK, last_N1 + 1)
    first_NC, second_NC = ranks_NK[:, first_C], ranks_NK[:, second_C]
    ranking, pair = np.nonzero(known_NC & (first_NC != second_NC))
    gap = second_NC[ranking, pair] - first_NC[ranking, pair]
    better = np.where(gap > 0, first_C[pair], second_C[pair])
    worse = np.where(gap > 0, second_C[pair], first_C[pair])
    characters_better = characters_NK[ranking, better].astype(np.int32)
    characters_worse = characters_NK[ranking, worse].astype(np.int32)
    shorter = np.minimum(characters_better, characters_worse)
    return pd.DataFrame(
        {
            "ranking": ranking.astype(np.int32),
            "better": better.astype(np.int16),
            "worse": worse.astype(np.int16),
            "gap": np.abs(gap).astype(np.int16),
            "characters_better": characters_better,
            "characters_worse": characters_worse,
            "near": np.abs(characters_better - characters_worse) <= NEAR_EQUAL * shorter,
        }
    )


def margins(comparisons: pd.DataFrame, scores_NK: NDArray[Any]) -> NDArray[np.float64]:
    """Return the score of the better response less that of the worse, for each comparison."""
    ranking = comparisons["ranking"].to_numpy()
    better_C = scores_NK[ranking, comparisons["better"].to_numpy()].astype(float)
    return better_C - scores_NK[ranking, comparisons["worse"].to_numpy()]


def agreed(margin: NDArray[Any] | pd.Series[Any]) -> NDArray[np.float64]:
    """Return 1 where the scores order a comparison as people did, one half where they are equal."""
    return 0.5 * (1.0 + np.sign(np.asarray(margin)))


# Figures of one ranking


def top1(
    ranks_NK: NDArray[Any], rewards_NK: NDArray[Any], groups_NK: NDArray[Any] | None = None
) -> NDArray[np.float64]:
    """Return 1 for each ranking whose highest reward is of a response that people ranked best.

    Responses that share the best rank are all right. Where several share the highest reward, the
    value is the share of them that are right, as if one were chosen at random. A response that
    shares its number in `groups_NK` with one of the best is right too.
    """
    present_NK = ranks_NK > 0
    best_rank_N1 = np.where(present_NK, ranks_NK, np.iinfo(np.int64).max).min(1, keepdims=True)
    rewards_NK = np.where(present_NK, rewards_NK, -np.inf)
    chosen_NK = present_NK & (rewards_NK == rewards_NK.max(1, keepdims=True))
    best_NK = ranks_NK == best_rank_N1
    if groups_NK is not None:
        same_NKK = groups_NK[:, :, None] == groups_NK[:, None, :]
        best_NK = (same_NKK & best_NK[:, None, :]).any(2)
    shares_N: NDArray[np.float64] = (chosen_NK & best_NK).sum(1) / np.maximum(chosen_NK.sum(1), 1)
    return shares_N


def kendall_tau_b(
    ranks_NK: NDArray[Any], rewards_NK: NDArray[Any], groups_NK: NDArray[Any] | None = None
) -> NDArray[np.float64]:
    """Return Kendall's tau-b between rewards and ranks of each ranking: 1 same order, -1 reversed.

    (P - Q) / sqrt((P + Q + T) (P + Q + U)), with P pairs ordered alike, Q otherwise, T tied in the
    rewards only, U in the ranks only: Kendall 1945, "The treatment of ties in ranking problems", as
    scipy.stats.kendalltau computes it. Where either ties everything it is not defined, and 0 here:
    an order that was not found must not be left out of the mean. Pairs that share a number in
    `groups_NK`, or of two unranked responses, have no part in it.
    """
    first_C, second_C, known_NC = known_pairs(ranks_NK, groups_NK)
    people_NC = np.sign(ranks_NK[:, second_C] - ranks_NK[:, first_C]) * known_NC
    model_NC = np.sign(rewards_NK[:, first_C] - rewards_NK[:, second_C]) * known_NC
    untied_N = np.abs(people_NC).sum(1) * np.abs(model_NC).sum(1)
    return (people_NC * model_NC).sum(1) / np.sqrt(np.maximum(untied_N, 1))


def tied_share(ranks_NK: NDArray[Any], groups_NK: NDArray[Any]) -> NDArray[np.float64]:
    """Return the share of each ranking's pairs that are tied, of those of `known_pairs`."""
    first_C, second_C, known_NC = known_pairs(ranks_NK, groups_NK)
    tied_NC = known_NC & (ranks_NK[:, first_C] == ranks_NK[:, second_C])
    shares_N: NDArray[np.float64] = tied_NC.sum(1) / np.maximum(known_NC.sum(1), 1)
    return shares_N


# Figures of all comparisons


def log_loss(margin: NDArray[Any]) -> float:
    """Return the mean of -log sigmoid(margin), which is ln 2 for a guess.

    This is the log loss of the Bradley-Terry probability that the better response wins (Bradley and
    Terry 1952), whatever loss the model was trained with.
    """
    return float(log_losses(margin).mean())


def log_losses(margin: NDArray[Any]) -> NDArray[np.float64]:
    """Return the log loss of each comparison (C,)."""
    losses_C: NDArray[np.float64] = np.logaddexp(0.0, -margin)
    return losses_C


def chance_loss(tied_N: NDArray[Any], ties: Ties) -> float:
    """Return the mean evaluation loss of a model that gives every response the same reward.

    With ties dropped that is ln 2, the log loss of the probability one half (Bradley and Terry
    1952). With a tie as half a win it is ln 2 too, which both outcomes of every pair cost. With
    ties as outcomes of their own (Davidson 1970, equation 2.2: better, worse and tied in the
    proportion 1, 1 and nu at equal strength) it is the loss at the best nu: the entropy of the
    frequencies of better, worse and tied, -(1 - t) ln((1 - t) / 2) - t ln t at a share t of ties,
    and at most ln 3 (the constant with the least log loss is the frequency: Cover and Thomas 2006,
    theorem 2.6.3). Margin, label smoothing and Plackett-Luce change the training loss alone: the
    log K! of an order of K is divided there by the sum of the log2 of the choices, which is ln 2.

    Args:
        tied_N: share of each ranking's pairs that are tied, because the loss is a mean over
            rankings of means over pairs.
    """
    if ties != "davidson":
        return math.log(2)
    tied = float(np.mean(tied_N))
    return float(entr([(1 - tied) / 2, (1 - tied) / 2, tied]).sum())


def accuracy_by(
    column: pd.Series[Any], right: pd.Series[Any], prompts: pd.Series[Any]
) -> list[dict[str, Any]]:
    """Return the comparisons and the accuracy, with its interval, for each value of a column.

    `prompts` are those of the comparisons. Only the INTERVALS values with the most comparisons have
    an interval, because there may be thousands of labellers.
    """
    groups = right.groupby(column, dropna=False, observed=True)
    codes, sizes = groups.ngroup(), groups.size()
    drawn = sizes.reset_index(drop=True).nlargest(INTERVALS).index
    sums = _sums_by_group(codes, right, prompts, drawn)
    return [
        {
            str(column.name): _plain(value),
            "comparisons": len(rows),
            "accuracy": float(rows.mean()),
            **_interval(sums, code),
        }
        for code, (value, rows) in enumerate(groups)
    ]


def _sums_by_group(
    codes: pd.Series[Any], right: pd.Series[Any], prompts: pd.Series[Any], drawn: pd.Index[Any]
) -> Sums:
    """Return the sums over prompts of what was agreed and of all, for each of the `drawn` codes.

    More than MOST_PROMPTS prompts are summed into that many groups first, at random: by their
    hashes. The groups are resampled in place of the prompts, which takes less time.
    """
    table = pd.DataFrame({"prompt": prompts, "code": codes, "agreed": right, "comparisons": 1.0})
    table = table[table["code"].isin(drawn)]
    parts = [
        table.pivot_table(
            name, "prompt", "code", aggfunc="sum", fill_value=0.0, observed=True
        ).add_prefix(f"{name} ")
        for name in ("agreed", "comparisons")
    ]
    sums = parts[0].join(parts[1])
    if len(sums) > MOST_PROMPTS:
        sums = sums.groupby(np.arange(len(sums)) % MOST_PROMPTS).sum()
    return Sums(sums)


def _interval(sums: Sums, code: int) -> dict[str, float | None]:
    """Return accuracy_low and accuracy_high of a code; None for one that was not drawn."""
    if f"agreed {code}" not in sums.columns:
        return {"accuracy_low": None, "accuracy_high": None}
    found = sums.ratio("accuracy", f"agreed {code}", f"comparisons {code}")
    return {name: found[name] for name in ("accuracy_low", "accuracy_high")}


def length_of_better(comparisons: pd.DataFrame) -> pd.Series[Any]:
    """Return how long the better text of each comparison is beside the worse, in LENGTHS."""
    ratio = comparisons["characters_better"] / comparisons["characters_worse"].clip(lower=1)
    half, shorter, longer, twice = BOUNDS
    names = np.select(
        [ratio < half, ratio < shorter, ratio <= longer, ratio <= twice], LENGTHS[:-1], LENGTHS[-1]
    )
    return pd.Series(
        pd.Categorical(names, LENGTHS, ordered=True), index=comparisons.index, name="length"
    )


def calibration(margin: NDArray[Any]) -> dict[str, Any]:
    """Return the expected calibration error and the bins of the reliability diagram.

    The model's confidence in the response that it prefers is sigmoid(|margin|), from 0.5 to 1; it
    comes true where people prefer that one too. (With ties as outcomes of their own, Davidson 1970,
    that is the probability given that it is no tie.) The bins, all of one width, are the
    reliability diagram; their mean |accuracy - confidence|, weighted by comparisons, is the
    expected calibration error: Guo et al. 2017, arXiv 1706.04599, equation 3.
    """
    confidence, right = expit(np.abs(margin)), agreed(margin)
    edges = np.linspace(0.5, 1.0, CALIBRATION_BINS + 1)
    place = np.minimum(np.searchsorted(edges, confidence, side="right"), CALIBRATION_BINS) - 1
    bins, error = [], 0.0
    for number, (low, high) in enumerate(pairwise(edges.tolist())):
        inside = place == number
        each: dict[str, float] = {
            "low": round(low, 3),
            "high": round(high, 3),
            "comparisons": int(inside.sum()),
        }
        if inside.any():
            promised, kept = float(confidence[inside].mean()), float(right[inside].mean())
            error += abs(kept - promised) * float(inside.mean())
            each |= {"confidence": promised, "accuracy": kept}
        bins.append(each)
    return {"ece": error, "bins": bins}


def length_figures(responses: pd.DataFrame, comparisons: pd.DataFrame) -> dict[str, float]:
    """Return the correlations of rewards with length in characters.

    Read those within prompts (each prompt's mean subtracted): rewards are compared within a prompt
    only, and it is no fault if some prompts ask for more text. Spearman's takes ranks within the
    prompt. `prefers_longer` is the share of the comparisons in which the model prefers the longer
    text, to be read beside `longer_wins`, the same share of people's.

    Args:
        responses: one row for each response: prompt, reward, characters.
        comparisons: with margin.
    """
    values = responses[["reward", "characters"]].astype(float)
    by_prompt = values.groupby(responses["prompt"].to_numpy())
    ranks = by_prompt.rank()
    longer = np.sign(comparisons["characters_better"] - comparisons["characters_worse"])
    return {
        "pearson_within_prompts": correlation(values - by_prompt.transform("mean")),
        "spearman_within_prompts": correlation(
            ranks - ranks.groupby(responses["prompt"].to_numpy()).transform("mean")
        ),
        "pearson": correlation(values),
        "spearman": correlation(values.rank()),
        "prefers_longer": float(agreed(np.sign(comparisons["margin"]) * longer).mean()),
    }


def correlation(table: pd.DataFrame) -> float:
    """Return Pearson's correlation of two columns; NaN where one of them is constant."""
    first, second = (table.to_numpy() - table.to_numpy().mean(0)).T
    size = math.sqrt(float(first @ first) * float(second @ second))
    return float(first @ second) / size if size > 0 else math.nan


def _plain(value: Any) -> Any:
    """Return a column's value as JSON can hold it."""
    return None if pd.isna(value) else value.item() if hasattr(value, "item") else value
