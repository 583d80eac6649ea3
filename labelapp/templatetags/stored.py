"""A template filter for sentences that the database has in English."""

from django import template
from django.conf import settings
from django.utils.html import format_html
from django.utils.translation import get_language, gettext

register = template.Library()


@register.filter
def stored(sentence: str) -> str:
    """Return a stored sentence in the page's language, or marked as English if it is not known."""
    if not sentence or get_language() == settings.LANGUAGE_CODE:
        return sentence
    translated = gettext(sentence)
    if translated != sentence:
        return translated
    return format_html('<span lang="en">{}</span>', sentence)
