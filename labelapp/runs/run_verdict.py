"""The verdict on one run: whether its model is worth using, and why."""

from dataclasses import dataclass, field
from typing import Any

from django.utils.text import capfirst

from labelapp.models import TrainingRun
from labelapp.models.jobs import as_object, is_number
from labelapp.runs.caveats import BASELINES, gain
from labelapp.runs.words import span
from labelapp.templatetags.figures import percent, points, thousands
from training.runs.caveats import is_measured

TO_BEAT = ("longer_wins", "word_counts")
"""The baselines that any model of use is better than."""


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
        noun = "prompt is" if prompts == 1 else "prompts are"
        headline = f"Not known: {prompts} held-out {noun} too few to judge the model"
        return Verdict(f"{headline}.", [], "refused")
    headline, tone = judgement(held_out, baseline)
    if tone == "clear":
        headline += below_people(run)
    return Verdict(f"{headline}.", details(run, baseline), tone)


def better_baseline(held_out: dict[str, Any]) -> str | None:
    """Return the name of the more accurate one of the baselines, or None if none is known."""
    return min(to_beat(held_out), key=lambda name: gain_over(held_out, name), default=None)


def to_beat(held_out: dict[str, Any]) -> list[str]:
    """Return the names of the baselines that the model is measured beside."""
    found = as_object(held_out.get("baselines"))
    return [name for name in TO_BEAT if is_number(as_object(found.get(name)).get("gain"))]


def gain_over(held_out: dict[str, Any], baseline: str) -> float:
    return float(held_out["baselines"][baseline]["gain"])


def judgement(held_out: dict[str, Any], baseline: str) -> tuple[str, str]:
    """Return in words whether the model beats its better baseline, and the tone of that."""
    if gain_over(held_out, baseline) <= 0:
        return f"Not worth using: no better than {BASELINES[baseline]}", "refused"
    baselines = held_out["baselines"]
    for name in sorted(to_beat(held_out), key=lambda name: gain_over(held_out, name)):
        if not is_above_zero(baselines[name]):
            return f"Not proven: not measurably better than {BASELINES[name]}", "open"
    near = [as_object(baselines[name].get("near_equal")) for name in to_beat(held_out)]
    if any(is_number(each.get("gain")) and not is_above_zero(each) for each in near):
        words = "Of limited use: better than every baseline, but not measurably so at near-equal"
        return f"{words} length", "open"
    return "Worth using: better than every baseline", "clear"


def is_above_zero(figures: dict[str, Any]) -> bool:
    """Return True if a gain is measurably above zero."""
    low = figures.get("gain_low")
    return is_number(low) and low > 0


def below_people(run: TrainingRun) -> str:
    """Return how far the model is below the agreement of two people, as the end of a sentence."""
    agreement = people(run).get("agreement")
    if not is_number(agreement):
        return ""
    distance = agreement - run.held_out["accuracy"]
    if distance <= 0:
        return ", and as accurate as people agree with each other"
    return f", and {points(distance)} points below people’s agreement"


def people(run: TrainingRun) -> dict[str, Any]:
    """Return how far two people agree on held-out prompts, or {} if that is not known."""
    found = as_object(as_object(run.metrics.get("labellers_agree")).get("held_out"))
    return found if is_number(found.get("agreement")) else {}


def details(run: TrainingRun, baseline: str) -> list[str]:
    """Return the figures behind the verdict, as sentences."""
    held_out = run.held_out
    beaten = beside_baseline(held_out["baselines"][baseline])
    found = [
        f"The model orders {share_of(held_out)} as people did.",
        f"{capfirst(str(BASELINES[baseline]))}, the better baseline, reaches {beaten}.",
    ]
    near = as_object(held_out.get("near_equal"))
    beside = as_object(held_out["baselines"][baseline].get("near_equal"))
    if is_number(near.get("accuracy")):
        words = (
            f"At near-equal length, where length cannot help, it orders"
            f" {with_interval(near, 'accuracy')} of {thousands(near.get('comparisons'))}"
            " comparisons"
        )
        if is_number(beside.get("gain")):
            words += f", and the baseline {beside_baseline(beside)}"
        found.append(f"{words}.")
    return [*found, ceiling(run)]


def beside_baseline(figures: dict[str, Any]) -> str:
    """Return the accuracy of a baseline, and the model's lead over it."""
    words = f"{percent(figures.get('accuracy'))}: a lead of {gain(figures['gain'])} points"
    if is_number(figures.get("gain_low")):
        low, high = gain(figures["gain_low"]), gain(figures["gain_high"])
        words += f" (95\u00a0% interval {low} to {high})"
    return words


def ceiling(run: TrainingRun) -> str:
    """Return how far people agree, which is as far as a model can learn from them."""
    found = people(run)
    if not found:
        return (
            "How far people agree, the ceiling for the model, is not known: no two labellers"
            " ranked the same held-out prompts."
        )
    return (
        f"Two people agree on {with_interval(found, 'agreement')} of the held-out pairs that both"
        " ranked. That is the ceiling: a model that learns from them can hardly do better."
    )


def with_interval(figures: dict[str, Any], name: str) -> str:
    """Return a share, with its interval if it has one."""
    low, high = figures.get(f"{name}_low"), figures.get(f"{name}_high")
    between = f" (95\u00a0% interval {span(low, high)})" if is_number(low) else ""
    return f"{percent(figures.get(name))}{between}"


def share_of(held_out: dict[str, Any]) -> str:
    """Return the accuracy of a run and what it is of, in words."""
    low, high = held_out.get("accuracy_low"), held_out.get("accuracy_high")
    between = f" (95\u00a0% interval {span(low, high)})" if low is not None else ""
    comparisons, prompts = held_out.get("comparisons"), held_out.get("prompts")
    return (
        f"{percent(held_out.get('accuracy'))}{between} of the {thousands(comparisons)} comparisons"
        f" on {thousands(prompts)} held-out prompts"
    )
