"""Sentences put together from parts."""

from collections.abc import Sequence

from labelapp.templatetags.figures import points
from training.plural import counted


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


def rounded(seconds: float) -> str:
    """Return a time with as many digits as an estimate has: "40 seconds" or "3 minutes"."""
    if seconds < 55:
        step = 1 if seconds < 10 else 10
        return counted(max(1, step * round(seconds / step)), "second")
    if seconds < 90 * 60:
        return counted(max(1, round(seconds / 60)), "minute")
    hours = seconds / 3600
    return f"{hours:.1f} hours" if hours < 10 else f"{round(hours)} hours"
