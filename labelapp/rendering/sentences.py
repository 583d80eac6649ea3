"""Say in the page's language what `training` says in English."""

from django.utils.formats import number_format
from django.utils.translation import gettext, ngettext

from training.sentences import Sentence, Value, filled


def translated(text: str) -> str:
    """Return a sentence in the present language; a text that no catalogue has as it is."""
    if not text:
        return ""  # gettext would return the header of the catalogue
    if not isinstance(text, Sentence):
        return gettext(text)
    template = text.template
    if text.plural:
        count = text.values["count"]
        template = ngettext(template, text.plural, count if isinstance(count, int) else 2)
    else:
        template = gettext(template)
    return filled(template, {name: shown(value) for name, value in text.values.items()})


def shown(value: Value) -> str:
    """Return a value as a translated sentence has it: a text of a file stays as it is."""
    if not isinstance(value, str):
        return number_format(value, force_grouping=True)
    return translated(value) if isinstance(value, Sentence) else value
