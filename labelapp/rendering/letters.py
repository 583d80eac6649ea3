"""Letters that name responses."""

import string


def letter(index: int) -> str:
    """Return the letter of a response by its index: A, B, ..., Z, AA, AB, ...

    A prompt can have more than 26 responses when several imported rankings share it.
    """
    first, last = divmod(index, 26)
    return (letter(first - 1) if first else "") + string.ascii_uppercase[last]
