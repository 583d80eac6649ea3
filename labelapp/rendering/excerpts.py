"""Beginnings of long texts."""

EXCERPT = 240  # characters


def excerpt(text: str, length: int = EXCERPT) -> str:
    """Return the beginning of a text in one line, with an ellipsis if it goes on."""
    line = " ".join(text.split())
    return line if len(line) <= length else f"{line[:length]}…"
