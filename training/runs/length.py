"""The length of responses in the figures: its kinds, and the part of the rewards it explains.

Standard library only: the web and the reward service import this file.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

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


def explained(characters: int, coefficients: Sequence[float]) -> float:
    """Return the part of a reward that length explains: 0 in the mean of held-out responses."""
    return sum(map(float.__mul__, functions(characters), coefficients))


def coefficients_of(stored: Any) -> tuple[float, ...] | None:
    """Return stored coefficients, or None for a value that cannot be some."""
    if not isinstance(stored, list) or len(stored) != COEFFICIENTS:
        return None
    if not all(isinstance(one, int | float) and math.isfinite(one) for one in stored):
        return None
    return tuple(map(float, stored))
