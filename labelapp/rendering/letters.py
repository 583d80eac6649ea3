"""Letters that name responses."""

import string


def letter(index: int) -> str:
    """Return A, B, ..., Z, AA, AB, ... for 0, 1, ...; a prompt can have many responses."""
    first, last = divmod(index, 26)
    return (letter(first - 1) if first else "") + string.ascii_uppercase[last]
