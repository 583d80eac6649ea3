"""The runs whose scores can be reviewed, each named by what it was and how well it did."""

from django.utils.translation import gettext as _

from labelapp.models import TrainingRun
from labelapp.models.jobs import is_number
from labelapp.runs.aliases import champion_of
from labelapp.runs.caveats import few_prompts
from labelapp.runs.changed_settings import changed_settings
from labelapp.templatetags.figures import percent

NEWEST = 20
SETTINGS_SHOWN = 2


def runs_to_choose(run: TrainingRun) -> list[TrainingRun]:
    """Return the newest scored runs of a run's project, with the run itself and the champion."""
    scored = run.project.runs.scored()
    found = list(scored[:NEWEST])
    known = {run.pk, *(one.pk for one in found)}
    champion = champion_of(run.project).scored().exclude(pk__in=known)
    found += [*champion, *([] if run in found else [run])]
    return sorted(found, key=lambda one: one.pk, reverse=True)


def run_choices(runs: list[TrainingRun]) -> list[tuple[int, str]]:
    """Return the primary key and the label of each run."""
    return [(run.pk, label(run)) for run in runs]


def label(run: TrainingRun) -> str:
    """Return a run in words, as in "Run 5 · aggregation majority · 49.5 %"."""
    number = _("Run %(number)s") % {"number": run.pk}
    accuracy = run.held_out.get("accuracy")
    parts = [number, run.name, *changed_settings(run)[:SETTINGS_SHOWN]]
    if is_number(accuracy) and not few_prompts(run.held_out):
        parts.append(percent(accuracy))
    return " · ".join(part for part in parts if part)
