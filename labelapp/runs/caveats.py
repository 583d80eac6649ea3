"""Sentences for the pages on what a reader must know before the figures of a run."""

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from labelapp.models import TrainingRun
from labelapp.models.jobs import as_object
from labelapp.rendering.letters import letter
from labelapp.runs.words import setting_label
from labelapp.templatetags.figures import percent, points, signed
from training.runs.caveats import FEWEST_PROMPTS, Caveat, caveats, is_measured

CHANCE_LOSS = math.log(2)  # -log sigmoid(0), the chance level of the loss without ties as outcomes
BASELINES = {
    "longer_wins": gettext_lazy("always preferring the longer response"),
    "word_counts": gettext_lazy("counting words"),
    "before_training": gettext_lazy("before training"),
    "reward_model": gettext_lazy("the reward model alone"),
}
REASONS = {
    "dropped_rankings": gettext_lazy("the chat template refuses their prompts"),
    "cut_equal_rankings": gettext_lazy("their responses are equal after the cut"),
    "all_tied": gettext_lazy("they tie everything"),
    "duplicates": gettext_lazy("they were given twice"),
}


BESIDE_BASELINES = ("not_better", "not_measurably_better")
"""The caveats that a verdict on the run has in its own words."""


def caveat_sentences(metrics: Mapping[str, Any], left_out: Collection[str] = ()) -> list[str]:
    """Return the caveats of a finished run in words, but for those named in `left_out`.

    The most important one is first.
    """
    held_out = as_object(metrics.get("held_out"))
    known = {
        **metrics,
        "held_out": held_out | {"baselines": as_object(held_out.get("baselines"))},
        "left_out": as_object(metrics.get("left_out")),
    }
    return [sentence(caveat) for caveat in caveats(known) if caveat.name not in left_out]


def few_prompts(held_out: Mapping[str, Any]) -> str:
    """Return what to say of figures from too few held-out prompts, or "" for enough."""
    if is_measured(held_out):
        return ""
    prompts = held_out["prompts"]
    return ngettext(
        "from %(prompts)s held-out prompt: not a measurement",
        "from %(prompts)s held-out prompts: not a measurement",
        prompts,
    ) % {"prompts": prompts}


def comparison_letters(digests: Sequence[str | None]) -> list[str]:
    """Return a letter for the held-out comparisons that each of the runs was judged on.

    The letters are empty where all judged runs share their comparisons, and for runs without
    figures, whose digest is None. Runs of earlier versions, of which nothing is known and whose
    digest is "", have a question mark.
    """
    if len({digest for digest in digests if digest is not None}) < 2:
        return [""] * len(digests)
    known = dict.fromkeys(filter(None, digests))
    letters = {digest: letter(place) for place, digest in enumerate(known)}
    return ["" if digest is None else letters.get(digest, "?") for digest in digests]


def chance_of_training(run: TrainingRun) -> float | None:
    """Return the training loss of a model that guesses, or None where it is not known.

    With a learned probability of ties it depends on their share, and is known once the run is done.
    With a margin it depends on the distances in rank.
    """
    if run.config.get("margin"):
        return None
    if run.config.get("ties") != "davidson":
        return CHANCE_LOSS
    after = as_object(as_object(run.metrics.get("train")).get("after"))
    found = after.get("chance_loss")
    return found if isinstance(found, float) else None


def sentence(caveat: Caveat) -> str:
    """Return a caveat in words."""
    found = about_figures(caveat.name, caveat.values)
    return about_rankings(caveat.name, caveat.values) if found is None else found


def about_figures(name: str, values: Mapping[str, Any]) -> str | None:
    """Return a caveat on the figures of a model in words, or None for another caveat."""
    match name:
        case "few_prompts":
            return ngettext(
                "The figures are from %(prompts)s held-out prompt: not a measurement. Hold out at"
                " least %(needed)s prompts.",
                "The figures are from %(prompts)s held-out prompts: not a measurement. Hold out at"
                " least %(needed)s prompts.",
                values["prompts"],
            ) % {"prompts": values["prompts"], "needed": FEWEST_PROMPTS}
        case "few_steps":
            return _(
                "The run has too few optimiser steps: %(steps)s. A pretrained model learns little"
                " in fewer than %(needed)s. Train for more epochs."
            ) % {"steps": values["steps"], "needed": values["needed"]}
        case "not_better":
            return _(
                "The model is not better than %(baseline)s: it orders %(ours)s of the held-out"
                " comparisons as people did, against %(theirs)s, a lead of %(lead)s."
            ) % comparison(values)
        case "not_measurably_better":
            return _(
                "The model is not measurably better than %(baseline)s: it orders %(ours)s of the"
                " held-out comparisons as people did, against %(theirs)s, a lead of %(lead)s."
            ) % comparison(values)
    return None


def about_rankings(name: str, values: Mapping[str, Any]) -> str:
    """Return a caveat on what the model learned from in words."""
    match name:
        case "left_out":
            reasons = ", ".join(
                _("%(count)s because %(reason)s")
                % {"count": count, "reason": reason(cause, values["reason"])}
                for cause, count in values["reasons"].items()
            )
            return ngettext(
                "%(left_out)s of %(rankings)s rankings (%(share)s) was left out: %(reasons)s.",
                "%(left_out)s of %(rankings)s rankings (%(share)s) were left out: %(reasons)s.",
                values["left_out"],
            ) % {
                "left_out": values["left_out"],
                "rankings": values["rankings"],
                "share": percent(values["share"]),
                "reasons": reasons,
            }
        case "refused":
            return ngettext(
                "%(rankings)s ranking was left out, because the chat template refuses its prompt"
                " (“%(reason)s”).",
                "%(rankings)s rankings were left out, because the chat template refuses their"
                " prompts (“%(reason)s”).",
                values["rankings"],
            ) % {"rankings": values["rankings"], "reason": values["reason"]}
        case "cut_equal":
            return ngettext(
                "%(comparisons)s comparison was left out, because its responses are equal after"
                " the cut. Raise “%(setting)s”.",
                "%(comparisons)s comparisons were left out, because their responses are equal after"
                " the cut. Raise “%(setting)s”.",
                values["comparisons"],
            ) % {
                "comparisons": values["comparisons"],
                "setting": capfirst(setting_label("max_response_tokens")),
            }
        case "folded":
            return ngettext(
                "The system message of %(prompts)s prompt was put into its first user message: the"
                " chat template refuses system messages.",
                "The system messages of %(prompts)s prompts were put into their first user"
                " messages: the chat template refuses system messages.",
                values["prompts"],
            ) % {"prompts": values["prompts"]}
    raise ValueError(f"there is no caveat {name}")


def reason(name: str, template_reason: str) -> str:
    """Return why rankings were left out, with the chat template's own reason."""
    words = str(REASONS.get(name, name))
    quoted = name == "dropped_rankings" and template_reason
    return f"{words} (“{template_reason}”)" if quoted else words


def comparison(values: Mapping[str, Any]) -> dict[str, str]:
    """Return the numbers of a model and a baseline as texts, with their intervals if known."""
    lead = _("%(points)s points") % {"points": gain(values["gain"])} + gain_interval(values)
    baseline = str(BASELINES.get(values["baseline"], values["baseline"]))
    ours, theirs = accuracy_of("ours", values), accuracy_of("theirs", values)
    return {"baseline": baseline, "ours": ours, "theirs": theirs, "lead": lead}


def accuracy_of(whose: str, values: Mapping[str, Any]) -> str:
    """Return an accuracy, with its interval if it is known."""
    low, high = values[f"{whose}_low"], values[f"{whose}_high"]
    between = "" if low is None else f" ({points(low)}–{points(high)})"
    return f"{percent(values[whose])}{between}"


def gain_interval(values: Mapping[str, Any]) -> str:
    """Return the interval of a gain in points, after a space, or "" if it is not known."""
    if values["gain_low"] is None:
        return ""
    low, high = gain(values["gain_low"]), gain(values["gain_high"])
    return " " + _("(%(level)s interval %(low)s to %(high)s)") % {
        "level": percent(0.95, 0),
        "low": low,
        "high": high,
    }


def gain(value: float) -> str:
    """Return 0.018 as "+1.8", with a minus sign as wide as the plus."""
    return signed(100 * value, 1)
