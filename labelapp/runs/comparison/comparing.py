"""Finished runs of a project side by side, with their differences."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from django.urls import reverse
from django.utils.http import urlencode
from django.utils.text import capfirst, get_text_list
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from labelapp.models import Project, State, TrainingRun
from labelapp.runs import choice
from labelapp.runs.comparison.measures import ACCURACY, MEASURES, Measure
from labelapp.runs.paired_bootstrap import (
    GROUPS,
    SLICE_GROUPS,
    Gain,
    Judgements,
    gains,
    summed,
)
from labelapp.runs.process import run_folder
from labelapp.runs.words import setting_label
from labelapp.web.query import key_of
from training.config import OLD_NAMES, TrainConfig

FEWEST, MOST = 2, 8
DECIDE_COMPARISONS = (
    "aggregation",
    "labellers",
    "ranked_from",
    "ranked_until",
    "ranked_in",
    "uploads",
    "sources",
    "held_out_by",
    "held_out_fraction",
    "split",
    "folds",
)
"""Settings that decide which held-out comparisons a run is judged on."""


class CannotCompareError(Exception):
    """The chosen runs cannot be compared; the message says why."""


@dataclass
class ComparedRun:
    """A run with its differences from the reference."""

    run: TrainingRun
    config: dict[str, Any]
    is_reference: bool
    why_apart: str = ""  # the reason why its accuracy cannot be compared, or ""
    differences: dict[Measure, Gain] = field(default_factory=dict)

    @property
    def gain(self) -> Gain | None:
        """Return the difference in accuracy."""
        return self.differences.get(ACCURACY)

    @property
    def name(self) -> str:
        return _("run %(number)s") % {"number": self.run.pk}

    @property
    def model_name(self) -> str:
        return choice.model_name(self.run)

    @property
    def held_out(self) -> dict[str, Any]:
        return self.run.held_out

    @cached_property
    def judgements(self) -> list[dict[str, Any]]:
        """Return the sums over the comparisons of each held-out prompt."""
        return run_folder(self.run).judgements()

    def judged(self, measure: Measure) -> Judgements:
        return summed(self.judgements, measure.total, measure.comparisons)

    @property
    def accuracy(self) -> float:
        return ACCURACY.mean(self.held_out) or 0.0


@dataclass
class RunComparison:
    """Runs side by side; those that can be compared with the reference come first."""

    runs: list[ComparedRun]
    reference: ComparedRun

    @property
    def together(self) -> list[ComparedRun]:
        """Return the runs that were judged on the comparisons of the reference."""
        return [one for one in self.runs if not one.why_apart]

    @property
    def apart(self) -> list[ComparedRun]:
        """Return the runs that were judged on others."""
        return [one for one in self.runs if one.why_apart]


def chosen_runs(project: Project, numbers: Sequence[str]) -> list[TrainingRun]:
    """Return the runs with these numbers, the oldest first. Raises CannotCompareError."""
    wanted = list(dict.fromkeys(number.strip() for number in numbers))
    if len(wanted) < FEWEST:
        raise CannotCompareError(_("Choose at least two finished runs to compare."))
    if len(wanted) > MOST:
        raise CannotCompareError(
            _("At most %(most)s runs fit side by side. You chose %(chosen)s: choose fewer.")
            % {"most": MOST, "chosen": len(wanted)}
        )
    keys = {key_of(number) or 0 for number in wanted}
    runs = list(project.runs.filter(pk__in=keys).order_by("pk"))
    if len(runs) < len(wanted):
        raise CannotCompareError(
            _("This project does not have all of the runs that you chose. Choose them again.")
        )
    if unfinished := [run for run in runs if run.state != State.DONE]:
        names = [_("run %(number)s") % {"number": run.pk} for run in unfinished]
        raise CannotCompareError(
            ngettext(
                "%(runs)s has not finished, so there is nothing to compare yet.",
                "%(runs)s have not finished, so there is nothing to compare yet.",
                len(unfinished),
            )
            % {"runs": capfirst(get_text_list(names, _("and")))}
        )
    return runs


def compare_url(reference: TrainingRun, other: TrainingRun) -> str:
    """Return the address of the page with two runs side by side."""
    query = [("run", reference.pk), ("run", other.pk), ("reference", reference.pk)]
    return f"{reverse('runs_compare', args=[reference.project.slug])}?{urlencode(query)}"


def compare(runs: Sequence[TrainingRun], reference: str) -> RunComparison:
    """Compare runs with the one whose number is `reference`, or with the first of them."""
    chosen = next((run for run in runs if str(run.pk) == reference), runs[0])
    compared = [
        ComparedRun(run, full_config(run), run == chosen, why_not_comparable(run, chosen))
        for run in runs
    ]
    found = sorted(compared, key=lambda one: bool(one.why_apart))
    base = next(one for one in found if one.is_reference)
    set_differences(base, [one for one in found if not one.why_apart and one is not base])
    return RunComparison(found, base)


def set_differences(base: ComparedRun, others: Sequence[ComparedRun]) -> None:
    """Set what each run differs from `base` by, in each measure that is known of both."""
    for measure in MEASURES:
        for one, found in zip(others, differences(base, others, measure), strict=True):
            if found is not None:
                one.differences[measure] = found


def differences(
    base: ComparedRun, others: Sequence[ComparedRun], measure: Measure
) -> list[Gain | None]:
    """Return by how much each run differs from `base`: without an interval by the means alone."""
    groups = GROUPS if measure == ACCURACY else SLICE_GROUPS  # the verdict is by accuracy
    found = gains(base.judged(measure), [one.judged(measure) for one in others], groups)
    ours = measure.mean(base.held_out)
    return [
        known or (None if ours is None or theirs is None else Gain(theirs - ours))
        for theirs, known in zip([measure.mean(one.held_out) for one in others], found, strict=True)
    ]


def gains_over(base: ComparedRun, others: Sequence[ComparedRun]) -> list[Gain]:
    """Return how much more accurate than `base` each of the others is."""
    found = differences(base, others, ACCURACY)
    return [
        known or Gain(one.accuracy - base.accuracy)
        for one, known in zip(others, found, strict=True)
    ]


def full_config(run: TrainingRun) -> dict[str, Any]:
    """Return all settings of a run under their present names, with defaults for missing ones."""
    given = {OLD_NAMES.get(name, name): value for name, value in run.config.items()}
    # Runs of versions without validation chose their weights by the held-out prompts.
    chosen_by = {"choose_by": "held-out"} if "lora_rank" in given else {}
    return TrainConfig().to_json() | chosen_by | given


def why_not_comparable(run: TrainingRun, reference: TrainingRun) -> str:
    """Return why the accuracies of two runs cannot be compared, as a clause, or ""."""
    ours, theirs = (one.held_out.get("comparisons_sha256") for one in (run, reference))
    if run == reference or (ours and ours == theirs):
        return ""
    if not ours or not theirs:
        unknown = run if not ours else reference
        return _(
            "it is not known which comparisons run %(number)s was judged on, because it was"
            " trained by an earlier version."
        ) % {"number": unknown.pk}
    configs = full_config(run), full_config(reference)
    differ = [name for name in DECIDE_COMPARISONS if configs[0].get(name) != configs[1].get(name)]
    words = {"number": reference.pk}
    if differ:
        names = get_text_list([setting_label(name) for name in differ], _("and"))
        return ngettext(
            "it was judged on other held-out comparisons than run %(number)s, because %(settings)s"
            " differs.",
            "it was judged on other held-out comparisons than run %(number)s, because %(settings)s"
            " differ.",
            len(differ),
        ) % {**words, "settings": names}
    if run.manifest.get("rankings_sha256") != reference.manifest.get("rankings_sha256"):
        return (
            _(
                "it was judged on other held-out comparisons than run %(number)s, because the"
                " rankings of the project changed between the two runs."
            )
            % words
        )
    return (
        _(
            "it was judged on other held-out comparisons than run %(number)s, because their models"
            " cut the responses at different lengths."
        )
        % words
    )


def pair(comparison: RunComparison, first: str, second: str) -> tuple[TrainingRun, TrainingRun]:
    """Return the two runs with these numbers.

    In place of a number that is not among the runs, the first is the reference, and the second the
    most accurate of the others.
    """
    by_key = {str(one.run.pk): one for one in comparison.runs}
    one = by_key.get(first, comparison.reference)
    others = [other for other in comparison.runs if other is not one]
    best = max(others, key=lambda other: (not other.why_apart, other.accuracy))
    two = by_key.get(second, best)
    return one.run, (best if two is one else two).run
