"""The length of responses in the figures: its kinds, and the part of the rewards it explains.

Standard library only: the web and the reward service import this file.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

NEAR_EQUAL = 0.25
"""Share by which the longer of two texts may exceed the shorter for near-equal lengths."""
LENGTHS = ("under_half", "shorter", "near_equal", "longer", "over_twice")
"""Lengths of the text that people prefer, beside the other one."""
BOUNDS = (1 / 2, 1 / (1 + NEAR_EQUAL), 1 + NEAR_EQUAL, 2.0)
"""Ratios between them; the first two belong to the longer kind, the last two to the shorter."""
COEFFICIENTS = 4


def length_of_better(better: int, worse: int) -> str:
    """Return how long the better text is beside the worse one, given their characters."""
    ratio = better / max(1, worse)
    is_within = (ratio < BOUNDS[0], ratio < BOUNDS[1], ratio <= BOUNDS[2], ratio <= BOUNDS[3])
    return LENGTHS[is_within.index(True) if any(is_within) else -1]


def functions(characters: float) -> tuple[float, float, float, float]:
    """Return what rewards are regressed on: functions of a response's length, and a constant."""
    return math.log1p(characters), characters / 1000, math.sqrt(characters) / 10, 1.0


class LengthPart(NamedTuple):
    """Hold how rewards go with length, and the lengths in characters it was learned from."""

    coefficients: tuple[float, ...]
    shortest: int
    longest: int

    def of(self, characters: int) -> float:
        """Return the part of a reward that length explains: 0 in the mean of held-out responses.

        A length outside those learned from counts as the nearest of them, because nothing is
        known of the curve out there.
        """
        seen = min(max(characters, self.shortest), self.longest)
        return sum(map(float.__mul__, functions(seen), self.coefficients))


def stored_part(stored: Any) -> LengthPart | None:
    """Return the part of length that a model's file holds, or None for a value that is none."""
    match stored:
        case {"coefficients": list(values), "shortest": int(shortest), "longest": int(longest)}:
            if len(values) == COEFFICIENTS and all(map(is_number, values)) and shortest <= longest:
                return LengthPart(tuple(map(float, values)), shortest, longest)
    return None


def is_number(value: Any) -> bool:
    """Return whether a value from a JSON file is a finite number."""
    return isinstance(value, int | float) and math.isfinite(value)
