"""Prompts held out from training, by their hash.

Standard library only: the web imports this file.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Iterable, Sequence


def split_position(content_hash: str, split: int = 0) -> float:
    """Return a prompt's position in [0, 1), given by its hash and the number of the split."""
    digest = hashlib.sha256(f"{split}:{content_hash}".encode()).digest()
    # 53 bits, what a float holds exactly, so that 1.0 is never reached by rounding.
    return (int.from_bytes(digest[:8], "big") >> 11) / 2**53


def held_out_hashes(
    content_hashes: Iterable[str], fraction: float, split: int = 0, folds: int = 0
) -> frozenset[str]:
    """Return the prompts to hold out: those below `fraction`, or one of `folds` equal parts.

    Without folds a prompt keeps its side as data grows, because no other prompt has a say in it.
    The one exception: from two prompts on neither side is empty, so the lowest is held out, or the
    highest kept, if need be. Labellers are held out in the same way, by their names.
    """
    order = 0 if folds else split
    positions = sorted((split_position(text, order), text) for text in set(content_hashes))
    part = held_out_part([position for position, _ in positions], fraction, split, folds)
    return frozenset(text for _, text in positions[part])


def held_out_part(
    positions: Sequence[float], fraction: float, split: int = 0, folds: int = 0
) -> slice:
    """Return the slice of prompts to hold out, given their positions in ascending order."""
    total = len(positions)
    if folds:
        return slice(split * total // folds, (split + 1) * total // folds)
    count = bisect_left(positions, fraction)
    return slice(min(max(count, 1), total - 1) if total > 1 else count)
