"""A template tag with the languages of every page."""

from django import template
from django.conf import settings
from django.utils.translation import get_language

register = template.Library()


@register.simple_tag
def other_complete_languages() -> list[tuple[str, str]]:
    """Return the codes and names of the languages of every page but the present one."""
    complete = settings.COMPLETE_LANGUAGES
    return [(c, name) for c, name in settings.LANGUAGES if c in complete and c != get_language()]
