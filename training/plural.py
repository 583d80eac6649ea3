"""Numbers with their nouns."""

from __future__ import annotations


def counted(count: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun, in the plural where it is due: by default with an s."""
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"
