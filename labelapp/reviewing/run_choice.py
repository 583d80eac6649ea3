"""The runs whose scores can be reviewed, each named by what it was and how well it did."""

from django.db.models import Case, Count, When
from django.utils.translation import gettext as _

from labelapp.models import PromptAgreement, TrainingRun
from labelapp.models.jobs import is_number
from labelapp.runs.aliases import champion_of
from labelapp.runs.caveats import few_prompts
from labelapp.runs.changed_settings import changed_settings
from labelapp.templatetags.figures import percent
from training.runs.caveats import FEWEST_PROMPTS

NEWEST = 20
MOST_COMPARED = 5  # other runs in the matrix of raters
SETTINGS_SHOWN = 2


def runs_to_choose(run: TrainingRun) -> list[TrainingRun]:
    """Return the newest scored runs of a run's project, with the run itself and the champion."""
    scored = run.project.runs.scored()
    found = list(scored[:NEWEST])
    known = {run.pk, *(one.pk for one in found)}
    champion = champion_of(run.project).scored().exclude(pk__in=known)
    found += [*champion, *([] if run in found else [run])]
    return sorted(found, key=lambda one: one.pk, reverse=True)


def compared_runs(run: TrainingRun) -> tuple[list[int], int]:
    """Return the other runs whose models are raters beside a run's, and how many are left out.

    They are the champion, the pinned and the newest runs, by primary key, if they held out enough
    prompts to be measured on.
    """
    scored = run.project.runs.scored().exclude(pk=run.pk)
    champion = champion_of(run.project).values("pk")
    first = Case(When(pk__in=champion, then=0), default=1)
    candidates = scored.order_by(first, "-is_pinned", "-pk").values_list("pk", flat=True)[:NEWEST]
    held_out = PromptAgreement.objects.filter(run__in=list(candidates), held_out=True)
    counts = dict(held_out.order_by().values_list("run").annotate(Count("pk")))
    enough = [pk for pk in candidates if counts.get(pk, 0) >= FEWEST_PROMPTS]
    found = enough[:MOST_COMPARED]
    return found, scored.count() - len(found)


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
