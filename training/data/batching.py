"""Deal the rankings, or their comparisons, out to the steps of a run.

Shapes: C comparisons.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from training.config import TrainConfig
from training.data.dataset import Element, Rankings, TokenizedRanking
from training.data.elements import Members, pairs_of_responses, sets_of_responses
from training.rankings import UNRANKED, Ties, below_the_ranked


class Rows(Protocol):
    """Give a row of numbers of each ranking, by its place."""

    def __getitem__(self, place: int, /) -> Sequence[int] | NDArray[np.integer]: ...


class Batches:
    """Return the elements of a step, by its number from 0 on. An epoch has all elements once.

    With `batching="grouped"` an element is a set of responses with all rankings of it, and a step
    has `rankings_per_step` elements. With `batching="shuffled"` it is a pair of responses of a set,
    with all comparisons of it, and an epoch deals them out evenly over as many steps.

    An epoch's order depends on the seed and its number alone: a run may begin at any step.
    """

    def __init__(self, rankings: Rankings, config: TrainConfig, *, merged: bool = True) -> None:
        """Deal out these rankings.

        Unless they are `merged`, each ranking is a set of its own: so it was in earlier versions,
        whose runs go on as they began.
        """
        sets_R = (
            sets_of_responses(rankings.prompt_rows, rankings.places)
            if merged
            else np.arange(len(rankings))
        )
        self._members = Members(sets_R)
        self.per_epoch = math.ceil(len(self._members) / config.rankings_per_step)
        self._rankings = rankings
        self._rankings_per_step = config.rankings_per_step
        self._seed = config.seed
        self._pairs_C3: NDArray[np.int32] | None = None
        if config.batching == "shuffled":
            pairs_C3 = pairs_of(rankings.ranks, len(rankings), config.ties, rankings.groups)
            self._members = Members(pairs_of_responses(pairs_C3, sets_R, rankings.places))
            self._pairs_C3 = pairs_C3
        self._epoch = -1
        self._steps: list[NDArray[np.int64]] = []

    def __getitem__(self, step: int) -> list[Element]:
        epoch, place = divmod(step, self.per_epoch)
        if epoch != self._epoch:
            self._epoch, self._steps = epoch, self._deal(np.random.default_rng([self._seed, epoch]))
        return [self._element(element) for element in self._steps[place].tolist()]

    def _deal(self, random: np.random.Generator) -> list[NDArray[np.int64]]:
        """Return the elements of each step of an epoch."""
        order = random.permutation(len(self._members))
        if self._pairs_C3 is not None:
            return np.array_split(order, self.per_epoch)
        return np.split(order, range(self._rankings_per_step, len(order), self._rankings_per_step))

    def _element(self, element: int) -> Element:
        members = self._members[element]
        if self._pairs_C3 is None:
            return Element.of(self._rankings.of_one_prompt(members))
        places, *pairs = self._pairs_C3[members].T.tolist()
        rankings = self._rankings.of_one_prompt(places)
        return Element.of(
            [
                pair_of(ranking, first, second)
                for ranking, first, second in zip(rankings, *pairs, strict=True)
            ]
        )


def pair_of(ranking: TokenizedRanking, first: int, second: int) -> TokenizedRanking:
    """Return a comparison of a ranking, named by two places within it, as a ranking of two."""
    ranks = below_the_ranked(ranking.ranks)
    return replace(
        ranking,
        places=(ranking.places[first], ranking.places[second]),
        ranks=(ranks[first], ranks[second]),
        groups=(),
    )


def pairs_of(
    ranks: Rows, rankings: int, ties: Ties, groups: Rows | None = None
) -> NDArray[np.int32]:
    """Return the comparisons of all rankings (C, 3): the ranking's place, and two places within it.

    They are those of training/rankings.py, found in bulk. Unless ties are dropped, a tied pair
    counts.
    """
    most = sum(math.comb(len(ranks[place]), 2) for place in range(rankings))
    found_C3 = np.empty((most, 3), np.int32)
    count = 0
    for place in range(rankings):
        row = np.asarray(ranks[place])
        pairs = all_pairs(len(row))
        group = np.asarray(groups[place] if groups is not None else ())
        if len(group):
            pairs = pairs[group[pairs[:, 0]] != group[pairs[:, 1]]]
        untied = row[pairs[:, 0]] != row[pairs[:, 1]]
        if ties == "drop" or not untied.any():
            pairs = pairs[untied]
        else:
            pairs = pairs[untied | (row[pairs[:, 0]] != UNRANKED)]
        found_C3[count : count + len(pairs), 0] = place
        found_C3[count : count + len(pairs), 1:] = pairs
        count += len(pairs)
    return found_C3[:count]


@cache
def all_pairs(K: int) -> NDArray[np.int64]:
    """Return all pairs of K places (K(K-1)/2, 2)."""
    return np.stack(np.triu_indices(K, 1), axis=1)
