"""Figures in words, as the pages of runs say them."""

from labelapp.templatetags.figures import points
from training.plural import counted


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
