"""Agreement between labellers: the ceiling for a model that learns from them.

Shapes: N rankings of one prompt, K of its responses, C pairs of these.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from training.data.dataset import Dataset, Rankings
from training.selection.bootstrap import Sums


def labellers_agree(dataset: Dataset) -> dict[str, Any]:
    """Return the agreement between labellers over all prompts and over the held-out prompts."""
    found = by_prompt(dataset.train, dataset.held_out)
    held_out = found[found.index.isin(dataset.held_out.prompt_rows)]
    return {"all": _figures(found), "held_out": _figures(held_out)}


def _figures(found: pd.DataFrame) -> dict[str, Any]:
    """Return an entry of metrics.json, given a table of by_prompt."""
    share = Sums(found).ratio("agreement", "agreed", "pairs")
    return {"prompts": len(found), "pairs": int(found["pairs"].sum()), **share}


def by_prompt(*sides: Rankings) -> pd.DataFrame:
    """Count how often two labellers agree on a pair of responses, for each prompt.

    A pair counts once for every two labellers who both ranked its responses apart. Rankings without
    a name are left out, because their labellers cannot be told apart; so are adjudicated rankings
    and those of a majority. The table has one row for each prompt that several people ranked, with
    the columns agreed and pairs.
    """
    rankings = pd.DataFrame(
        {
            "prompt": np.concatenate([side.prompt_rows for side in sides]),
            "labeller": np.concatenate([side.labeller_codes for side in sides]),
            "side": np.repeat(np.arange(len(sides)), [len(side) for side in sides]),
            "place": np.concatenate([np.arange(len(side)) for side in sides]),
        }
    )
    people = enumerate(zip(sides[0].labellers, sides[0].kinds, strict=True))
    left_out = [code for code, (name, kind) in people if name is None or kind != "own"]
    named = rankings[~rankings["labeller"].isin(left_out)]
    by_several = named.groupby("prompt")["labeller"].transform("nunique") > 1
    rows = {}
    for prompt, group in named[by_several].groupby("prompt"):
        found = [(sides[side], place) for side, place in group[["side", "place"]].to_numpy()]
        rows[prompt] = agree_on_prompt(
            group["labeller"].to_numpy(),
            [side.places[place] for side, place in found],
            [side.ranks[place] for side, place in found],
        )
    return pd.DataFrame.from_dict(rows, orient="index", columns=["agreed", "pairs"], dtype=float)


def agree_on_prompt(
    labellers_N: NDArray[np.int32],
    places: Sequence[NDArray[np.int32]],
    ranks: Sequence[NDArray[np.int32]],
) -> tuple[float, float]:
    """Return the pairs agreed on and all pairs of one prompt, given its rankings."""
    ranks_NK = np.zeros((len(places), 1 + max(int(row.max()) for row in places)), np.int64)
    for row_K, where, values in zip(ranks_NK, places, ranks, strict=True):
        row_K[where] = values
    first_C, second_C = np.triu_indices(ranks_NK.shape[1], k=1)
    both_NC = (ranks_NK[:, first_C] > 0) & (ranks_NK[:, second_C] > 0)
    prefers_NC = (np.sign(ranks_NK[:, second_C] - ranks_NK[:, first_C]) * both_NC).astype(float)
    # For two rankings: the pairs that both order, and those ordered alike less those that are not.
    pairs_NN = np.abs(prefers_NC) @ np.abs(prefers_NC).T
    balance_NN = prefers_NC @ prefers_NC.T
    others_NN = np.triu(labellers_N[:, None] != labellers_N[None, :])
    pairs = float(pairs_NN[others_NN].sum())
    return (pairs + float(balance_NN[others_NN].sum())) / 2, pairs
