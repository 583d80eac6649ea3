"""The labellers, import files and sources of a project, by which a run's rankings are chosen."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from django import forms
from django.db.models import Count, Q
from django.utils.formats import date_format
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from labelapp.db.cache import cached
from labelapp.models import Origin, Project, Ranking, Response
from labelapp.runs.starting.data_counts import data_counts, labellers
from labelapp.templatetags.figures import thousands
from training.rankings import BY_COMMAND, RANKED_HERE

LISTS = ("labellers", "uploads", "sources")
"""Settings that list values, separated by commas, of which the form has a box for each."""
MOST_SOURCES = 200
LONGEST = 60  # characters of a source that are shown
ROWS_PER_RANKING = 10  # responses that are read
Choice = tuple[str, str]


class UploadCounts(NamedTuple):
    """The rankings that count and came in an upload, or in none."""

    upload: int | None
    name: str | None
    created_at: datetime | None
    rankings: int
    imported: int


def choice_fields(project: Project) -> dict[str, forms.Field]:
    """Return the fields of the settings that list values, with the choices of the project."""
    rows = data_counts(project, "all").rankings  # about as many are read for each field
    return {
        "labellers": boxes(
            ((name, name) for _, name in labellers(project, rows) if is_listable(name)),
            _("Labellers"),
            _("Use only the rankings of these labellers. None ticked: everybody’s."),
        ),
        "uploads": boxes(
            upload_choices(project, rows),
            _("Import files"),
            _("Use only rankings from these files, or those made here. None ticked: all."),
        ),
        "sources": boxes(
            ((name, Truncator(name).chars(LONGEST)) for name in sources(project, rows)),
            _("Models that wrote the responses"),
            _(
                "Use only comparisons between two responses of these models: every ranking is"
                " narrowed to their responses. None ticked: all."
            ),
        ),
    }


def boxes(choices: Iterable[Choice], label: str, help_text: str) -> forms.Field:
    """Return a field with a box for each choice."""
    return forms.MultipleChoiceField(
        choices=list(choices),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        label=label,
        help_text=help_text,
    )


def is_listable(name: str) -> bool:
    """Return True if a name can be one of several that are separated by commas."""
    return "," not in name and name == name.strip()


def upload_choices(project: Project, rows: int) -> list[Choice]:
    """Return a choice for the rankings made here, for each upload, and for other imports."""
    of_uploads: list[Choice] = []
    here = by_command = 0
    for one in upload_counts(project, rows):
        if one.upload is None:
            here, by_command = one.rankings - one.imported, one.imported
        else:
            of_uploads.append((str(one.upload), counted(upload_name(one), one.rankings)))
    found = [(RANKED_HERE, counted(_("Ranked here"), here))] if here else []
    found += of_uploads
    if by_command:
        words = _("Imported with a command, or by an earlier version")
        found.append((BY_COMMAND, counted(words, by_command)))
    return found


def upload_counts(project: Project, rows: int) -> list[UploadCounts]:
    """Return the numbers of rankings by upload, the newest first; cached for a minute if many."""
    imported = Count("pk", filter=Q(origin=Origin.IMPORTED))
    found = (
        Ranking.objects.counting()
        .filter(prompt__project=project)
        .values_list("upload", "upload__name", "upload__created_at")
        .annotate(rankings=Count("pk"), imported=imported)
        .order_by("-upload")
    )
    return cached(
        f"ranking-uploads-{project.pk}",
        lambda: [UploadCounts(*row) for row in found],
        lambda _: rows,
    ).value


def upload_name(upload: UploadCounts) -> str:
    """Return the name of an uploaded file with its day."""
    if upload.created_at is None:
        return upload.name or ""
    return f"{upload.name}, {date_format(upload.created_at, 'DATE_FORMAT')}"


def counted(words: str, rankings: int) -> str:
    """Return the words of a choice with its number of rankings."""
    number = ngettext("%(number)s ranking", "%(number)s rankings", rankings) % {
        "number": thousands(rankings)
    }
    return f"{words} ({number})"


def sources(project: Project, rows: int) -> list[str]:
    """Return the sources of a project's responses that can be listed, by name.

    They are cached for a minute where there are many responses, some for each of `rows` rankings.
    """
    found = Response.objects.filter(prompt__project=project).exclude(source="").order_by("source")
    names = found.values_list("source", flat=True).distinct()[:MOST_SOURCES]
    responses = ROWS_PER_RANKING * rows
    known = cached(f"sources-{project.pk}", lambda: list(names), lambda _: responses).value
    return [name for name in known if is_listable(name)]
