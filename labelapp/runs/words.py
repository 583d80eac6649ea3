"""Sentences put together from parts."""

from collections.abc import Sequence

from labelapp.templatetags.figures import points


def in_words(items: Sequence[str]) -> str:
    """Return items as an English list: "a, b and c"."""
    *first, last = items
    return f"{', '.join(first)} and {last}" if first else last


def capitalised(text: str) -> str:
    """Return the text with a capital letter at its beginning."""
    return text[:1].upper() + text[1:]


def span(low: object, high: object) -> str:
    """Return the ends of an interval, as in "54.9–78.2"."""
    return f"{points(low)}–{points(high)}"
