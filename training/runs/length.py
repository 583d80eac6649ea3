"""Rewards without the part that the length of a response explains.

Standard library only: the reward service imports this file.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

COEFFICIENTS = 4


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
