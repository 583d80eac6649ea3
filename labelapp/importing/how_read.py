"""Say in the page's language how a file was read."""

from collections.abc import Iterable

from django.utils.translation import gettext_lazy as _

from labelapp.rendering.sentences import shown

# Fields that files of other programs have are called as they are there.
HEADINGS = {
    "file": _("File"),
    "read as": _("Read as"),
    "note": _("Note"),
    "not read": _("Not read"),
    "gave nothing": _("Gave nothing"),
    "prompt": _("Prompt"),
    "conversation": _("Conversation"),
    "system": _("System message"),
    "history": _("Earlier turns"),
    "input": _("Input"),
    "context": _("Context"),
    "prompt_id": _("Prompt ID"),
    "row_id": _("ID of the record"),
    "response": _("Response"),
    "responses": _("Responses"),
    "text": _("Text"),
    "better": _("Better response"),
    "worse": _("Worse response"),
    "response_id": _("Response ID"),
    "id": _("Response ID"),
    "source": _("Model that wrote it"),
    "rank": _("Rank"),
    "score": _("Score"),
    "ranking": _("Ranking"),
    "verdict": _("Verdict"),
    "labeller": _("Labeller"),
    "created_at": _("Time"),
    "seconds": _("Time at work"),
    "flags": _("Flags"),
    "version": _("Version"),
    "current": _("Is the current version"),
    "origin": _("Made by"),
    "surplus": _("Is surplus"),
    "all_bad": _("All responses are bad"),
    "place_shown": _("Place on the screen"),
}


def translated_reading(reading: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return an account of how a file was read, in pairs of a heading and a text."""
    return [(str(HEADINGS.get(name, name)), shown(text)) for name, text in reading]
