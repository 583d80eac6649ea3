"""The model of a run that was chosen by cross-validation, for the run's page."""

from collections.abc import Callable, Sequence
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from labelapp.models import TrainingRun
from labelapp.models.jobs import as_object, is_number
from labelapp.runs.caveats import gain
from labelapp.templatetags.figures import decimal, points, signed, thousands

PARTS = {
    "named": gettext_lazy("features"),
    "words": gettext_lazy("words"),
    "embedded": gettext_lazy("embeddings"),
    "scored": gettext_lazy("the score of a reward model"),
}


def choice_context(run: TrainingRun) -> dict[str, Any] | None:
    """Return what the run's model is made of, and its candidates; None where nothing was chosen.

    Figures that this version cannot read count as nothing.
    """
    choice = as_object(run.metrics.get("choice"))
    try:
        return {
            "sentences": sentences(choice),
            "candidates": candidates(choice),
            "prompts": int(choice["prompts"]),
            "comparisons": choice.get("comparisons"),
        }
    except (KeyError, TypeError, ValueError):
        return None


def sentences(choice: dict[str, Any]) -> list[str]:
    """Return what the model is made of, and why."""
    prompts = int(choice["prompts"])
    found = [
        ngettext(
            "A linear model of %(parts)s, chosen by cross-validation over %(prompts)s training"
            " prompt.",
            "A linear model of %(parts)s, chosen by cross-validation over %(prompts)s training"
            " prompts.",
            prompts,
        )
        % {"parts": parts_of(choice["chosen"]), "prompts": prompts}
    ]
    network = as_object(choice["network"])
    if network.get("factor"):
        found.append(_("A network is added, which lowers the log loss on other training prompts."))
    elif network:
        found.append(
            _(
                "No network is added, because it does not measurably lower the log loss on other"
                " training prompts."
            )
        )
    return [*found, *network_gain(network)]


def network_gain(network: dict[str, Any]) -> list[str]:
    """Return in a sentence by how much a network lowers the log loss, if that is known."""
    value, prompts = network.get("log_loss_gain"), network.get("prompts")
    ends = interval(network, "log_loss_gain", signed_loss)
    if not is_number(value) or not ends or not isinstance(prompts, int):
        return []
    return [
        _("Gain in log loss: %(value)s (95\u00a0%% interval %(ends)s), on %(prompts)s prompts.")
        % {"value": signed_loss(value), "ends": ends, "prompts": thousands(prompts)}
    ]


def model_name(run: TrainingRun) -> str:
    """Return what the run's model is made of where that was chosen, else its backbone."""
    choice = as_object(run.metrics.get("choice"))
    try:
        parts = parts_of(choice["chosen"])
    except (KeyError, TypeError, ValueError):
        return run.model_name
    if as_object(choice.get("network")).get("factor"):
        return _("%(first)s and %(last)s") % {"first": parts, "last": _("a network")}
    return parts


def may_have_network(run: TrainingRun) -> bool:
    """Return whether a network was trained beside a linear model, or may be in a run at work."""
    choice = as_object(run.metrics.get("choice"))
    return not choice or bool(choice.get("network"))


def candidates(choice: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a row for each candidate: its parts, its figures, and the lead of the chosen one."""
    return [
        {
            "parts": parts_of(candidate["parts"]),
            "accuracy": float(candidate["accuracy"]),
            "accuracy_interval": interval(candidate, "accuracy", points),
            "log_loss": float(candidate["log_loss"]),
            "log_loss_interval": interval(candidate, "log_loss", three_decimals),
            **({} if candidate["parts"] == choice["chosen"] else leads(candidate)),
        }
        for candidate in choice["candidates"]
    ]


def leads(candidate: dict[str, Any]) -> dict[str, str]:
    """Return the chosen model's leads over a candidate, with their intervals if known."""
    found = {"lead": gain(candidate["gain"]), "lead_interval": interval(candidate, "gain", gain)}
    if is_number(candidate.get("log_loss_gain")):  # choices of earlier versions have none
        found |= {
            "loss_lead": signed_loss(candidate["log_loss_gain"]),
            "loss_lead_interval": interval(candidate, "log_loss_gain", signed_loss),
        }
    return found


def interval(figures: dict[str, Any], name: str, words: Callable[[float], str]) -> str:
    """Return the ends of the interval of a figure, or "" where it is not known."""
    low, high = figures.get(f"{name}_low"), figures.get(f"{name}_high")
    if not is_number(low) or not is_number(high):
        return ""
    return _("%(low)s to %(high)s") % {"low": words(low), "high": words(high)}


def three_decimals(value: float) -> str:
    return decimal(value, 3)


def signed_loss(value: float) -> str:
    return signed(value, 3)


def parts_of(names: Sequence[str]) -> str:
    """Return the parts of a linear model in words. Raises KeyError for an unknown part."""
    *first, last = (str(PARTS[name]) for name in names)
    if not first:
        return last
    return _("%(first)s and %(last)s") % {"first": ", ".join(first), "last": last}
