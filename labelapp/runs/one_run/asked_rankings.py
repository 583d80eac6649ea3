"""Say in words which of a project's rankings a run asked for."""

from collections.abc import Iterator

from django.utils.dateparse import parse_date
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from labelapp.models import TrainingRun
from labelapp.runs.one_run.data_summary import Count
from labelapp.runs.words import setting_label
from training.aggregation import RankingFilter
from training.config import words
from training.rankings import BY_COMMAND, RANKED_HERE


def asked_rankings(run: TrainingRun) -> list[Count]:
    """Return the conditions that the run's rankings fulfil; none if it asked for all."""
    asked = RankingFilter.of(run.config)
    uploads = list(upload_names(run, asked)) if asked.uploads else []
    found = {
        "labellers": ", ".join(asked.labellers),
        "ranked_from": day(run.config.get("ranked_from")),
        "ranked_until": day(run.config.get("ranked_until")),
        "ranked_in": ""
        if asked.ranked_in == "all"
        else pgettext("setting", words("ranked_in", asked.ranked_in)),
        "uploads": ", ".join(uploads),
        "sources": ", ".join(asked.sources),
    }
    details = {"sources": _("only comparisons between two responses of these models")}
    return [
        Count(setting_label(name), value, details.get(name, ""))
        for name, value in found.items()
        if value
    ]


def day(value: object) -> str:
    """Return a day in words."""
    found = parse_date(str(value or ""))
    return date_format(found, "DATE_FORMAT") if found else ""


def upload_names(run: TrainingRun, asked: RankingFilter) -> Iterator[str]:
    """Yield what the run asked for: rankings made here, files by their names, other imports."""
    if RANKED_HERE in asked.uploads:
        yield _("Ranked here")
    names = dict(run.project.uploads.filter(pk__in=asked.upload_numbers).values_list("pk", "name"))
    for number in asked.upload_numbers:
        yield names.get(number) or str(number)
    if BY_COMMAND in asked.uploads:
        yield _("Imported with a command, or by an earlier version")
