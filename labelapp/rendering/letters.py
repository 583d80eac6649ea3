"""Letters that name responses."""

import string


def letter(index: int) -> str:
    """A, B, ..., Z, AA, AB, ...: prompts gathered from many rankings have many responses."""
    first, last = divmod(index, 26)
    return (letter(first - 1) if first else "") + string.ascii_uppercase[last]
