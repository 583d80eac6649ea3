"""A template filter for sentences that the database has in English."""

from collections.abc import Callable

from django import template
from django.conf import settings
from django.utils.html import format_html
from django.utils.text import Truncator
from django.utils.translation import get_language

from labelapp.rendering.sentences import translated

register = template.Library()


@register.filter
def stored(sentence: str, most: int | None = None, *, put: Callable[[str], str] = str) -> str:
    """Return a stored sentence in the page's language, or marked as English if it is not known.

    With `most`, it is cut to so many characters, after it is translated: `reason|stored:80`. `put`
    changes words of the translated sentence.
    """
    said = translated(sentence)
    shown = Truncator(said).chars(most) if most else put(said)
    if said != sentence or not sentence or get_language() == settings.LANGUAGE_CODE:
        return shown
    return format_html('<span lang="en">{}</span>', shown)
