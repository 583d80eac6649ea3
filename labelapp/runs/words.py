"""Figures in words, as the pages of runs say them."""

from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from labelapp.templatetags.figures import decimal, points
from training.config import label


def setting_label(name: str) -> str:
    """Return the name of a setting in words."""
    return pgettext("setting", label(name))


def span(low: object, high: object) -> str:
    """Return the ends of an interval, as in "54.9–78.2"."""
    return f"{points(low)}–{points(high)}"


def rounded(seconds: float) -> str:
    """Return a time with as many digits as an estimate has: "40 seconds" or "3 minutes"."""
    if seconds < 55:
        step = 1 if seconds < 10 else 10
        number = max(1, step * round(seconds / step))
        return ngettext("%(number)s second", "%(number)s seconds", number) % {"number": number}
    if seconds < 90 * 60:
        number = max(1, round(seconds / 60))
        return ngettext("%(number)s minute", "%(number)s minutes", number) % {"number": number}
    hours = seconds / 3600
    return _("%(number)s hours") % {"number": decimal(hours, 1) if hours < 10 else round(hours)}
