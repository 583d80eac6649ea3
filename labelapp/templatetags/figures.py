"""Template filters that format numbers."""

from datetime import datetime

from django import template
from django.utils.timesince import timesince

register = template.Library()

SPACE = "\u00a0"  # no-break space
NARROW_SPACE = "\u202f"
MINUS = "\u2212"


@register.filter
def thousands(number: object) -> str:
    """Return 1234567 as "1,234,567", and a dash for a value that is not known."""
    return f"{number:,}" if isinstance(number, int) else "–"


@register.filter
def percent(share: object, decimals: int = 1) -> str:
    """Return 0.7183 as "71.8 %", and a dash for a value that is not known."""
    if not isinstance(share, int | float):
        return "–"
    return f"{100 * share:.{decimals}f}{NARROW_SPACE}%"


@register.filter
def points(share: object) -> str:
    """Return 0.7183 as "71.8", for the ends of an interval."""
    return f"{100 * share:.1f}" if isinstance(share, int | float) else "–"


@register.filter
def signed(value: object, decimals: int = 2) -> str:
    """Return 1.8391 as "+1.84", with a minus sign as wide as the plus."""
    if not isinstance(value, int | float):
        return "–"
    rounded = round(value, decimals) + 0.0  # -0.0 would be shown as less than nothing
    return f"{rounded:+.{decimals}f}".replace("-", MINUS)


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
    return f"{size / 1e9:.1f}{SPACE}GB" if isinstance(size, int | float) and size else "–"


@register.filter
def ago(time: datetime) -> str:
    """Return how long ago a time is, in its largest unit: "3 hours ago"."""
    passed = timesince(time, depth=1)
    return "just now" if passed.startswith("0") else f"{passed} ago"
