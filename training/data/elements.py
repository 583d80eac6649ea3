"""Find the rankings, or the comparisons, of the same texts, which are learned together.

Shapes: R rankings, C comparisons.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from training.data.arrow_table import Lists

Numbers = NDArray[np.int64]


class Members:
    """Give the places of each element's members, in ascending order."""

    def __init__(self, number_of_each: Numbers) -> None:
        """Take the number of each member's element: from 0 on, without a gap."""
        self._order = np.argsort(number_of_each, kind="stable")
        self._ends = np.cumsum(np.bincount(number_of_each))

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, element: int) -> list[int]:
        start = self._ends[element - 1] if element else 0
        members: list[int] = self._order[start : self._ends[element]].tolist()
        return members


def sets_of_responses(prompt_rows: Numbers, places: Lists) -> Numbers:
    """Return the number of each ranking's set of responses (R,), in the order of the sets.

    A ranking belongs to the largest set of its prompt that includes all its responses, the first of
    equals. So no set has more responses than a ranking. `prompt_rows` is ascending.
    """
    first_of_set_R = np.arange(len(prompt_rows))
    starts = np.flatnonzero(np.diff(prompt_rows, prepend=-1))
    ends = np.append(starts[1:], len(prompt_rows))
    several = ends - starts > 1
    for start, end in zip(starts[several].tolist(), ends[several].tolist(), strict=True):
        found = largest_sets([frozenset(places[at].tolist()) for at in range(start, end)])
        first_of_set_R[start:end] = start + np.array(found)
    return numbered(first_of_set_R)


def largest_sets(sets: Sequence[frozenset[int]]) -> list[int]:
    """Return for each set the place of the largest one that includes it, the first of equals."""
    found = list(range(len(sets)))
    including: defaultdict[int, list[int]] = defaultdict(list)
    same: dict[frozenset[int], int] = {}
    for place in sorted(found, key=lambda place: -len(sets[place])):
        members = sets[place]
        if members not in same:
            wider = including[next(iter(members))]
            same[members] = next((each for each in wider if members < sets[each]), place)
            if same[members] == place:
                for member in members:
                    including[member].append(place)
        found[place] = same[members]
    return found


def pairs_of_responses(pairs_C3: NDArray[np.int32], set_R: Numbers, places: Lists) -> Numbers:
    """Return the number of each comparison's pair of responses (C,), in the order of the pairs.

    The same pair in two sets counts as two. `pairs_C3` is as batching.pairs_of returns it.
    """
    sizes_R = [len(places[ranking]) for ranking in range(len(set_R))]
    starts_R = np.cumsum([0, *sizes_R[:-1]])
    flat = np.concatenate([places[ranking] for ranking in range(len(set_R))]).astype(np.int64)
    rankings_C, firsts_C, seconds_C = pairs_C3.T
    one_C, other_C = (flat[starts_R[rankings_C] + at] for at in (firsts_C, seconds_C))
    count = int(flat.max()) + 1
    low_C, high_C = np.minimum(one_C, other_C), np.maximum(one_C, other_C)
    return numbered((set_R[rankings_C] * count + low_C) * count + high_C)


def numbered(keys: Numbers) -> Numbers:
    """Return the keys as numbers from 0 on, in the order in which they first come."""
    _, first, key_of_each = np.unique(keys, return_index=True, return_inverse=True)
    number_of_key = np.empty(len(first), np.int64)
    number_of_key[np.argsort(first)] = np.arange(len(first))
    return number_of_key[key_of_each]
