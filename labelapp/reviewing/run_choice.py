"""The runs whose scores can be reviewed, each named by what it was and how well it did."""

from collections.abc import Iterable

from django.utils.translation import gettext as _

from labelapp.models import TrainingRun
from labelapp.models.jobs import is_number
from labelapp.runs.caveats import few_prompts
from labelapp.runs.changed_settings import changed_settings
from labelapp.templatetags.figures import percent

SETTINGS_SHOWN = 2


def run_choices(runs: Iterable[TrainingRun]) -> list[tuple[int, str]]:
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
