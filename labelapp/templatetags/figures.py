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


@register.filter
def duration(seconds: object) -> str:
    """95.2 as "1 min 35 s", an hour and more without the seconds."""
    if not isinstance(seconds, int | float):
        return "–"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
