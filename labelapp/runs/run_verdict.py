"""The verdict on one run: whether its model is worth using, and why."""

from dataclasses import dataclass, field
from typing import Any

from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from labelapp.models import TrainingRun
from labelapp.models.jobs import as_object, is_number
from labelapp.runs.caveats import BASELINES, gain
from labelapp.runs.words import span
from labelapp.templatetags.figures import percent, points, thousands
from training.runs.caveats import is_measured

GRADES = {
    "worth": gettext_lazy("Worth using"),
    "limited": gettext_lazy("Of limited use"),
    "open": gettext_lazy("Not proven"),
    "worthless": gettext_lazy("Not worth using"),
}
"""What a model is worth, the best first."""
TO_BEAT = ("longer_wins", "word_counts")
"""The baselines that any model of use is better than."""
STARTED_FROM = {
    "before_training": gettext_lazy("Before training, the model reached %(beaten)s."),
    "reward_model": gettext_lazy("The reward model alone reaches %(beaten)s."),
}
"""The reward models that a run may start from, and what to say of their accuracy."""


@dataclass(frozen=True)
class Judgement:
    """The answer to whether a model beats its better baseline: one of GRADES, with its reason."""

    grade: str
    reason: str
    tone: str  # clear, open or refused

    @property
    def headline(self) -> str:
        return f"{GRADES[self.grade]}: {self.reason}"


@dataclass(frozen=True)
class Verdict:
    """The result of the comparison in words."""

    headline: str
    details: list[str]
    tone: str  # clear, open or refused
    notes: list[str] = field(default_factory=list)


def verdict_on(run: TrainingRun) -> Verdict | None:
    """Return whether the model of a run is worth using, or None where it has not been evaluated.

    Figures of earlier versions, which lack the baselines, give no verdict.
    """
    held_out = run.held_out
    baseline = better_baseline(held_out)
    if not is_number(held_out.get("accuracy")) or baseline is None:
        return None
    if not is_measured(held_out):
        prompts = held_out["prompts"]
        headline = ngettext(
            "Not known: %(prompts)s held-out prompt is too few to judge the model.",
            "Not known: %(prompts)s held-out prompts are too few to judge the model.",
            prompts,
        )
        return Verdict(headline % {"prompts": prompts}, [], "refused")
    found = judgement(held_out, baseline)
    headline = beside_people(run) if found.grade == "worth" else f"{found.headline}."
    return Verdict(headline, details(run, baseline), found.tone)


def better_baseline(held_out: dict[str, Any]) -> str | None:
    """Return the name of the more accurate one of the baselines, or None if none is known."""
    return min(to_beat(held_out), key=lambda name: gain_over(held_out, name), default=None)


def to_beat(held_out: dict[str, Any]) -> list[str]:
    """Return the names of the baselines that the model is measured beside."""
    found = as_object(held_out.get("baselines"))
    return [name for name in TO_BEAT if is_number(as_object(found.get(name)).get("gain"))]


def gain_over(held_out: dict[str, Any], baseline: str) -> float:
    return float(held_out["baselines"][baseline]["gain"])


def judgement(held_out: dict[str, Any], baseline: str) -> Judgement:
    """Return whether the model beats its better baseline."""
    if gain_over(held_out, baseline) <= 0:
        reason = _("no better than %(baseline)s") % {"baseline": BASELINES[baseline]}
        return Judgement("worthless", reason, "refused")
    baselines = held_out["baselines"]
    for name in sorted(to_beat(held_out), key=lambda name: gain_over(held_out, name)):
        if not is_above_zero(baselines[name]):
            reason = _("not measurably better than %(baseline)s") % {"baseline": BASELINES[name]}
            return Judgement("open", reason, "open")
    near = [as_object(baselines[name].get("near_equal")) for name in to_beat(held_out)]
    if any(is_number(each.get("gain")) and not is_above_zero(each) for each in near):
        reason = _("better than every baseline, but not measurably so at near-equal length")
        return Judgement("limited", reason, "open")
    for name in started_from(held_out):
        if not is_above_zero(baselines[name]):
            reason = _("better than every baseline, but not measurably better than %(baseline)s")
            return Judgement("limited", reason % {"baseline": BASELINES[name]}, "open")
    return Judgement("worth", _("better than every baseline"), "clear")


def started_from(held_out: dict[str, Any]) -> list[str]:
    """Return the names of the reward models that the run started from and is measured beside."""
    found = as_object(held_out.get("baselines"))
    return [name for name in STARTED_FROM if is_number(as_object(found.get(name)).get("gain"))]


def is_above_zero(figures: dict[str, Any]) -> bool:
    """Return True if a gain is measurably above zero."""
    low = figures.get("gain_low")
    return is_number(low) and low > 0


def beside_people(run: TrainingRun) -> str:
    """Return that the model is worth using, and how far it is below the agreement of people."""
    agreement = people(run).get("agreement")
    if not is_number(agreement):
        return _("Worth using: better than every baseline.")
    distance = agreement - run.held_out["accuracy"]
    if distance <= 0:
        return _(
            "Worth using: better than every baseline, and as accurate as people agree with each"
            " other."
        )
    return _(
        "Worth using: better than every baseline, and %(points)s points below people’s agreement."
    ) % {"points": points(distance)}


def people(run: TrainingRun) -> dict[str, Any]:
    """Return how far two people agree on held-out prompts, or {} if that is not known."""
    found = as_object(as_object(run.metrics.get("labellers_agree")).get("held_out"))
    return found if is_number(found.get("agreement")) else {}


def details(run: TrainingRun, baseline: str) -> list[str]:
    """Return the figures behind the verdict, as sentences."""
    held_out = run.held_out
    found = [
        _("The model orders %(share)s as people did.") % {"share": share_of(held_out)},
        _("%(baseline)s, the better baseline, reaches %(beaten)s.")
        % {
            "baseline": capfirst(str(BASELINES[baseline])),
            "beaten": beside_baseline(held_out["baselines"][baseline]),
        },
        *[
            STARTED_FROM[name] % {"beaten": beside_baseline(held_out["baselines"][name])}
            for name in started_from(held_out)
        ],
    ]
    near = as_object(held_out.get("near_equal"))
    beside = as_object(held_out["baselines"][baseline].get("near_equal"))
    if is_number(near.get("accuracy")):
        words = {
            "share": with_interval(near, "accuracy"),
            "comparisons": thousands(near.get("comparisons")),
        }
        if is_number(beside.get("gain")):
            sentence = _(
                "At near-equal length, where length cannot help, it orders %(share)s of"
                " %(comparisons)s comparisons, and the baseline %(beaten)s."
            )
            words["beaten"] = beside_baseline(beside)
        else:
            sentence = _(
                "At near-equal length, where length cannot help, it orders %(share)s of"
                " %(comparisons)s comparisons."
            )
        found.append(sentence % words)
    return [*found, ceiling(run)]


def beside_baseline(figures: dict[str, Any]) -> str:
    """Return the accuracy of a baseline, and the model's lead over it, with their intervals."""
    words = {"accuracy": with_interval(figures, "accuracy"), "lead": gain(figures["gain"])}
    if not is_number(figures.get("gain_low")):
        return _("%(accuracy)s: a lead of %(lead)s points") % words
    words |= {"low": gain(figures["gain_low"]), "high": gain(figures["gain_high"])}
    return (
        _("%(accuracy)s: a lead of %(lead)s points (95\u00a0%% interval %(low)s to %(high)s)")
        % words
    )


def ceiling(run: TrainingRun) -> str:
    """Return how far people agree, which is as far as a model can learn from them."""
    found = people(run)
    if not found:
        return _(
            "How far people agree, the ceiling for the model, is not known: no two labellers"
            " ranked the same held-out prompts."
        )
    return _(
        "Two people agree on %(share)s of the %(pairs)s held-out pairs that both ranked. That is"
        " the ceiling: a model that learns from them can hardly do better."
    ) % {"share": with_interval(found, "agreement"), "pairs": thousands(found.get("pairs"))}


def with_interval(figures: dict[str, Any], name: str) -> str:
    """Return a share, with its interval if it has one."""
    share = percent(figures.get(name))
    low, high = figures.get(f"{name}_low"), figures.get(f"{name}_high")
    if not is_number(low):
        return share
    return _("%(share)s (95\u00a0%% interval %(interval)s)") % {
        "share": share,
        "interval": span(low, high),
    }


def share_of(held_out: dict[str, Any]) -> str:
    """Return the accuracy of a run and what it is of, in words."""
    prompts = held_out.get("prompts")
    return ngettext(
        "%(share)s of the %(comparisons)s comparisons on %(prompts)s held-out prompt",
        "%(share)s of the %(comparisons)s comparisons on %(prompts)s held-out prompts",
        prompts if isinstance(prompts, int) else 2,
    ) % {
        "share": with_interval(held_out, "accuracy"),
        "comparisons": thousands(held_out.get("comparisons")),
        "prompts": thousands(prompts),
    }
