"""Deal rankings, or comparisons, out to the steps of a run.

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
from training.data.dataset import TokenizedRanking
from training.rankings import UNRANKED, Ties, below_the_ranked


class Rows(Protocol):
    """Give a row of numbers of each ranking, by its place."""

    def __getitem__(self, place: int, /) -> Sequence[int] | NDArray[np.integer]: ...


class Batches:
    """Return the rankings of a step, by its number from 0 on. An epoch has all elements once.

    With `batching="grouped"` an element is a ranking, and a step has `rankings_per_step` of them.
    With `batching="shuffled"` an element is a comparison, as a ranking of two, and an epoch deals
    them out evenly over as many steps.

    An epoch's order depends on the seed and its number alone: a run may begin at any step.
    """

    def __init__(
        self,
        rankings: Sequence[TokenizedRanking],
        ranks: Rows,
        config: TrainConfig,
        groups: Rows | None = None,
    ) -> None:
        """Deal out these rankings.

        `ranks` and `groups` give the numbers of each without reading its tokens; without `groups`
        all responses differ.
        """
        self.per_epoch = math.ceil(len(rankings) / config.rankings_per_step)
        self._rankings = rankings
        self._rankings_per_step = config.rankings_per_step
        self._seed = config.seed
        self._pairs_C3 = (
            pairs_of(ranks, len(rankings), config.ties, groups)
            if config.batching == "shuffled"
            else None
        )
        self._epoch = -1
        self._steps: list[NDArray[np.int64]] = []

    def __getitem__(self, step: int) -> list[TokenizedRanking]:
        epoch, place = divmod(step, self.per_epoch)
        if epoch != self._epoch:
            self._epoch, self._steps = epoch, self._deal(np.random.default_rng([self._seed, epoch]))
        return [self._element(element) for element in self._steps[place].tolist()]

    def _deal(self, random: np.random.Generator) -> list[NDArray[np.int64]]:
        """Return the elements of each step of an epoch."""
        if self._pairs_C3 is not None:
            return np.array_split(random.permutation(len(self._pairs_C3)), self.per_epoch)
        order = random.permutation(len(self._rankings))
        return np.split(order, range(self._rankings_per_step, len(order), self._rankings_per_step))

    def _element(self, element: int) -> TokenizedRanking:
        if self._pairs_C3 is None:
            return self._rankings[element]
        place, first, second = self._pairs_C3[element].tolist()
        ranking = self._rankings[place]
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
