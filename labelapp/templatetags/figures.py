"""Template filters that write numbers, durations and times as the page's language does."""

from datetime import date, datetime, timedelta
from typing import cast

from django import template
from django.utils import timezone
from django.utils.formats import date_format, get_format, number_format
from django.utils.timesince import timesince
from django.utils.translation import gettext as _
from django.utils.translation import ngettext_lazy, pgettext

register = template.Library()

SPACE = "\u00a0"  # no-break space
NARROW_SPACE = "\u202f"
MINUS = "\u2212"
AGO = {
    "year": ngettext_lazy("%(num)d year ago", "%(num)d years ago", "num"),
    "month": ngettext_lazy("%(num)d month ago", "%(num)d months ago", "num"),
    "week": ngettext_lazy("%(num)d week ago", "%(num)d weeks ago", "num"),
    "day": ngettext_lazy("%(num)d day ago", "%(num)d days ago", "num"),
    "hour": ngettext_lazy("%(num)d hour ago", "%(num)d hours ago", "num"),
    "minute": ngettext_lazy("%(num)d minute ago", "%(num)d minutes ago", "num"),
}


def decimal(number: float, decimals: int) -> str:
    """Return a number rounded to `decimals`, with the language's decimal separator."""
    return f"{number:.{decimals}f}".replace(".", str(get_format("DECIMAL_SEPARATOR")))


@register.filter
def thousands(number: object) -> str:
    """Return 1234567 as "1,234,567", and a dash for a value that is not known."""
    return number_format(number, force_grouping=True) if isinstance(number, int) else "–"


@register.filter
def amount(number: object) -> int:
    """Return a number that chooses between singular and plural: 0 for a value that is not known."""
    return number if isinstance(number, int) else 0


@register.filter
def percent(share: object, decimals: int = 1) -> str:
    """Return 0.7183 as "71.8 %", and a dash for a value that is not known."""
    if not isinstance(share, int | float):
        return "–"
    return f"{decimal(100 * share, decimals)}{NARROW_SPACE}%"


@register.filter
def points(share: object) -> str:
    """Return 0.7183 as "71.8", for the ends of an interval."""
    return decimal(100 * share, 1) if isinstance(share, int | float) else "–"


@register.filter
def signed(value: object, decimals: int = 2) -> str:
    """Return 1.8391 as "+1.84", with a minus sign as wide as the plus."""
    if not isinstance(value, int | float):
        return "–"
    rounded = round(value, decimals) + 0.0  # -0.0 would be shown as less than nothing
    return (MINUS if rounded < 0 else "+") + decimal(abs(rounded), decimals)


@register.filter
def duration(seconds: object) -> str:
    """Return 95.2 as "1 min 35 s"; from an hour on, without the seconds."""
    if not isinstance(seconds, int | float):
        return "–"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}{SPACE}h {minutes}{SPACE}min"
    return f"{minutes}{SPACE}min {rest}{SPACE}s" if minutes else f"{rest}{SPACE}s"


@register.filter
def memory(size: object) -> str:
    """Return bytes as "1.3 GB", and a dash for a value that is not known."""
    return f"{decimal(size / 1e9, 1)}{SPACE}GB" if isinstance(size, int | float) and size else "–"


@register.filter
def ago(time: datetime) -> str:
    """Return how long ago a time is, in its largest unit: "3 hours ago"."""
    if timezone.now() - time < timedelta(minutes=1):
        return _("just now")
    return timesince(time, time_strings=cast(dict[str, str], AGO), depth=1)


@register.filter
def weekday(day: date) -> str:
    """Return a day in full, as in "Saturday 5 December 2026"."""
    return date_format(day, pgettext("date format", "l j F Y"))
