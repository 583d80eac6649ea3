"""The gates of a project: what it asks of a model before it becomes the champion."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.utils.text import get_text_list
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from labelapp.models import Project, PromotionGates, TrainingRun
from labelapp.registry.evidence import Evidence, Slice
from labelapp.runs.caveats import BASELINES
from labelapp.runs.run_verdict import is_above_zero, to_beat
from labelapp.templatetags.figures import points, thousands
from training.runs.caveats import is_measured

MOST_SHOWN = 3  # slices that are named where a gate is not passed


@dataclass(frozen=True)
class Gate:
    """One condition, whether it is met, and the figures behind that."""

    condition: str
    is_passed: bool
    detail: str


def gates_of(project: Project) -> PromotionGates:
    """Return the gates that a project has set, or none that are set."""
    return PromotionGates.objects.filter(project=project).first() or PromotionGates(project=project)


def check(asked: PromotionGates, run: TrainingRun, evidence: Evidence | None) -> list[Gate]:
    """Return each gate that a project has set, with its result for a run.

    Without a champion there is no evidence, and only the baselines can be asked for.
    """
    return [
        *(baselines_gate(run) if asked.beats_baselines else ()),
        *(champion_gate(evidence) if asked.beats_champion and evidence else ()),
        *(
            slices_gate(evidence, asked.most_points_lost)
            if asked.most_points_lost is not None and evidence
            else ()
        ),
    ]


def baselines_gate(run: TrainingRun) -> Iterator[Gate]:
    condition = _("Measurably better than every baseline")
    held_out = run.held_out
    names = to_beat(held_out)
    if not names or not is_measured(held_out):
        yield Gate(condition, False, _("The run has too few held-out prompts to tell."))
        return
    level = [name for name in names if not is_above_zero(held_out["baselines"][name])]
    listed = get_text_list([str(BASELINES[name]) for name in level or names], _("and"))
    detail = (
        _("It is not measurably better than %(baselines)s.")
        if level
        else _("It is better than %(baselines)s.")
    )
    yield Gate(condition, not level, detail % {"baselines": listed})


def champion_gate(evidence: Evidence) -> Iterator[Gate]:
    condition = _("Measurably better than the champion")
    whole = evidence.whole
    if whole is None or not whole.is_measured:
        yield Gate(condition, False, too_few(whole))
    else:
        yield Gate(condition, whole.gain.is_above_zero, f"{in_words(whole)}.")


def slices_gate(evidence: Evidence, most: float) -> Iterator[Gate]:
    condition = ngettext(
        "No slice measurably worse than the champion by more than %(points)s point",
        "No slice measurably worse than the champion by more than %(points)s points",
        1 if most == 1 else 2,
    ) % {"points": f"{most:g}"}
    if evidence.whole is None or not evidence.whole.is_measured:
        yield Gate(condition, False, too_few(evidence.whole))
        return
    measured = [one for one in (evidence.whole, *evidence.slices) if one.is_measured]
    # The whole interval must be below, and those of slices hold together (paired_gains): of many
    # small slices, some are always worse by chance.
    worse = [one for one in measured if is_worse_by(one, most)]
    worse.sort(key=lambda one: one.gain.value)
    number = thousands(len(measured))
    shown = [f"{title(one)}: {in_words(one)}" for one in worse[:MOST_SHOWN]]
    if len(worse) > MOST_SHOWN:
        more = _("%(number)s more in the table")
        shown.append(more % {"number": thousands(len(worse) - MOST_SHOWN)})
    found = (
        f"{'; '.join(shown)}."
        if worse
        else _("Of %(number)s slices with enough prompts, none.") % {"number": number}
    )
    width = _("The intervals are corrected for the number of slices.")
    detail = f"{found} {width}"
    yield Gate(condition, not worse, detail)


def is_worse_by(one: Slice, most: float) -> bool:
    """Return True if a slice is worse by more than a number of points, with its whole interval."""
    high = one.gain.high
    return high is not None and round(-100 * high, 1) > most


def too_few(whole: Slice | None) -> str:
    number = whole.prompts if whole else 0
    return ngettext(
        "Only %(number)s ranked prompt is held out by both models: too few to tell.",
        "Only %(number)s ranked prompts are held out by both models: too few to tell.",
        number,
    ) % {"number": number}


def title(one: Slice) -> str:
    """Return the name of a slice, with its kind where the name alone does not tell."""
    if one.kind == "length":
        return _("better response %(name)s") % {"name": one.name}
    if one.kind == "source":
        return _("source %(name)s") % {"name": one.name}
    if one.kind == "labeller":
        return _("labeller %(name)s") % {"name": one.name}
    return one.name


def in_words(one: Slice) -> str:
    """Return the gain in a slice, as in "+2.0 points (−1.0 to +5.1)"."""
    if not one.interval:
        return _("%(points)s points") % {"points": one.points}
    words = {"points": one.points, "interval": one.interval}
    return _("%(points)s points (%(interval)s)") % words


def headline(evidence: Evidence) -> tuple[str, str]:
    """Return in a sentence how the candidate compares with the champion, and its tone."""
    whole = evidence.whole
    if whole is None or not whole.is_measured:
        return _("Not known. %(reason)s") % {"reason": too_few(whole)}, "refused"
    words = {"points": points(abs(whole.gain.value)), "interval": whole.interval}
    if whole.gain.is_nothing:
        return _("Level with the champion on every held-out prompt."), "open"
    if whole.gain.is_above_zero:
        sentence = _(
            "Better: %(points)s points ahead of the champion (95\u00a0%% interval %(interval)s)."
        )
        return sentence % words, "clear"
    if whole.gain.is_below_zero:
        sentence = _(
            "Worse: %(points)s points behind the champion (95\u00a0%% interval %(interval)s)."
        )
        return sentence % words, "refused"
    if whole.gain.value == 0:
        sentence = _(
            "Not measurably different: level with the champion (95\u00a0%% interval %(interval)s)."
        )
    elif whole.gain.value > 0:
        sentence = _(
            "Not measurably different: %(points)s points ahead of the champion (95\u00a0%%"
            " interval %(interval)s)."
        )
    else:
        sentence = _(
            "Not measurably different: %(points)s points behind the champion (95\u00a0%%"
            " interval %(interval)s)."
        )
    return sentence % words, "open"
