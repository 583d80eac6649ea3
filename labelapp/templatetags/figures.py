"""Numbers as the pages write them."""

from django import template

register = template.Library()

NARROW_SPACE = "\u202f"
MINUS = "\u2212"


@register.filter
def percent(share: object) -> str:
    """0.7183 as "71.8 %"; a dash for what is not known."""
    if not isinstance(share, int | float):
        return "–"
    return f"{100 * share:.1f}{NARROW_SPACE}%"


@register.filter
def points(share: object) -> str:
    """0.7183 as "71.8", for the ends of an interval."""
    return f"{100 * share:.1f}" if isinstance(share, int | float) else "–"


@register.filter
def signed(value: object) -> str:
    """1.8391 as "+1.84", with a minus sign that is as wide."""
    if not isinstance(value, int | float):
        return "–"
    return f"{value:+.2f}".replace("-", MINUS)
