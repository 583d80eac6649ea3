"""Finished runs of a project side by side, and the verdict on which is the best."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.utils.text import capfirst, get_text_list
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from labelapp.models import Project, State, TrainingRun
from labelapp.models.jobs import is_number
from labelapp.runs import choice
from labelapp.runs.caveats import gain
from labelapp.runs.paired_bootstrap import Gain, Judgements, gains, read_judgements
from labelapp.runs.process import run_folder
from labelapp.runs.run_verdict import Verdict, share_of
from labelapp.runs.words import setting_label
from labelapp.templatetags.figures import points
from labelapp.web.query import key_of
from training.config import OLD_NAMES, TrainConfig
from training.runs.caveats import is_measured

FEWEST, MOST = 2, 8
DECIDE_COMPARISONS = (
    "aggregation",
    "labellers",
    "ranked_from",
    "ranked_until",
    "ranked_in",
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
    """A run with its difference from the reference."""

    run: TrainingRun
    config: dict[str, Any]
    is_reference: bool
    why_apart: str = ""  # the reason why its accuracy cannot be compared, or ""
    gain: Gain | None = None

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
    def judgements(self) -> Judgements:
        """Return the held-out comparisons that the run orders as people did, by prompt."""
        return read_judgements(run_folder(self.run))

    @property
    def accuracy(self) -> float:
        found = self.held_out.get("accuracy")
        return float(found) if is_number(found) else 0.0


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


def compare(runs: Sequence[TrainingRun], reference: str) -> RunComparison:
    """Compare runs with the one whose number is `reference`, or with the first of them."""
    chosen = next((run for run in runs if str(run.pk) == reference), runs[0])
    compared = [
        ComparedRun(run, full_config(run), run == chosen, why_not_comparable(run, chosen))
        for run in runs
    ]
    found = sorted(compared, key=lambda one: bool(one.why_apart))
    base = next(one for one in found if one.is_reference)
    set_gains(base, [one for one in found if not one.why_apart and one is not base])
    return RunComparison(found, base)


def set_gains(base: ComparedRun, others: Sequence[ComparedRun]) -> None:
    """Set the gain of each run over `base`, without an interval where its judgements are gone."""
    for one, found in zip(others, gains_over(base, others), strict=True):
        one.gain = found


def gains_over(base: ComparedRun, others: Sequence[ComparedRun]) -> list[Gain]:
    """Return how much more accurate than `base` each of the others is."""
    found = gains(base.judgements, [one.judgements for one in others])
    return [
        known or Gain(one.accuracy - base.accuracy)
        for one, known in zip(others, found, strict=True)
    ]


def full_config(run: TrainingRun) -> dict[str, Any]:
    """Return all settings of a run under their present names, with defaults for missing ones."""
    given = {OLD_NAMES.get(name, name): value for name, value in run.config.items()}
    return TrainConfig().to_json() | given


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


# The verdict


def verdict(comparison: RunComparison) -> Verdict:
    """Return which run orders the held-out comparisons best, or that this cannot be told."""
    together, reference = comparison.together, comparison.reference
    apart = [
        _("%(run)s is set apart: %(reason)s") % {"run": capfirst(one.name), "reason": one.why_apart}
        for one in comparison.apart
    ]
    if len(together) == 1:
        return Verdict(
            _(
                "These runs were judged on different held-out comparisons, so their accuracies"
                " cannot be compared."
            ),
            apart,
            "refused",
        )
    if not is_measured(reference.held_out):
        prompts = reference.held_out["prompts"]
        headline = ngettext(
            "%(prompts)s held-out prompt is too few to tell which run is better.",
            "%(prompts)s held-out prompts are too few to tell which run is better.",
            prompts,
        )
        return Verdict(headline % {"prompts": prompts}, apart, "refused")
    best = max(together, key=lambda one: one.accuracy)
    others = sorted((o for o in together if o is not best), key=lambda one: -one.accuracy)
    leads = list(zip(others, gains_over(best, others), strict=True))
    beaten = [one for one, lead in leads if lead.is_below_zero]
    level = [one for one, lead in leads if not lead.is_below_zero]
    details = [
        _("%(run)s orders %(share)s as people did.")
        % {"run": capfirst(best.name), "share": share_of(best.held_out)}
    ]
    if len(leads) > 1:
        details += [f"{capfirst(ahead_of(_('it'), one, lead))}." for one, lead in leads]
    words = headline_of(best, beaten, level)
    if all(lead.is_nothing for _one, lead in leads):
        words = _("%(runs)s do equally well on every held-out prompt") % {
            "runs": capfirst(names_of(together))
        }
    elif len(leads) == 1:
        [(other, lead)] = leads
        words += f": {ahead_of(best.name, other, lead)}"
    tone = "clear" if beaten else "open"
    return Verdict(f"{words}.", details + apart, tone, notes([lead for _one, lead in leads]))


def notes(leads: Sequence[Gain]) -> list[str]:
    """Return how to read the gains of the other runs over the best one."""
    found = []
    known = [lead for lead in leads if lead.low is not None and not lead.is_nothing]
    if not all(lead.is_below_zero for lead in known):
        found.append(
            _(
                "An interval that includes 0 means that the difference may be chance. More held-out"
                " prompts make it narrower."
            )
        )
    if len(leads) > 1:
        found.append(
            _("Each interval is for one pair of runs, and not corrected for their number.")
        )
    if any(lead.low is None for lead in leads):
        found.append(_("Without a run’s files, there is no interval."))
    return found


def headline_of(
    best: ComparedRun, beaten: Sequence[ComparedRun], level: Sequence[ComparedRun]
) -> str:
    """Return which runs are measurably worse than the best one, and which are not."""
    if not beaten:
        every = sorted([best, *level], key=by_number)
        return _("No difference between %(runs)s can be measured") % {"runs": names_of(every)}
    words = {"best": capfirst(best.name), "beaten": names_of(beaten), "level": names_of(level)}
    if not level:
        return _("%(best)s orders the held-out comparisons better than %(beaten)s") % words
    return (
        _(
            "%(best)s orders the held-out comparisons better than %(beaten)s, but not measurably"
            " better than %(level)s"
        )
        % words
    )


def by_number(one: ComparedRun) -> int:
    return one.run.pk


def names_of(runs: Sequence[ComparedRun]) -> str:
    """Return the names of runs, as in "run 3 and run 5"."""
    return get_text_list([one.name for one in runs], _("and"))


def ahead_of(subject: str, other: ComparedRun, lead: Gain) -> str:
    """Return how far the best run is ahead of another one, given the other's gain over it."""
    words = {"subject": subject, "other": other.name, "lead": points(-lead.value)}
    if lead.is_nothing:
        return _("%(subject)s is level with %(other)s on every held-out prompt") % words
    has_interval = lead.low is not None and lead.high is not None
    if lead.low is not None and lead.high is not None:
        words |= {"low": gain(0 - lead.high), "high": gain(0 - lead.low)}
    is_level = round(lead.value, 3) == 0  # as the page writes it
    if is_level and has_interval:
        sentence = _(
            "%(subject)s is level with %(other)s (95\u00a0%% interval %(low)s to %(high)s)"
        )
    elif is_level:
        sentence = _("%(subject)s is level with %(other)s")
    elif has_interval:
        sentence = _(
            "%(subject)s is %(lead)s points ahead of %(other)s (95\u00a0%% interval %(low)s to"
            " %(high)s)"
        )
    else:
        sentence = _("%(subject)s is %(lead)s points ahead of %(other)s")
    return sentence % words
