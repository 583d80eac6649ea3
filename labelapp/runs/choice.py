"""The model of a run that was chosen by cross-validation, for the run's page."""

from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from labelapp.models import TrainingRun
from labelapp.models.jobs import as_object
from labelapp.runs.caveats import gain, gain_interval

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
        return {"sentences": sentences(choice), "candidates": candidates(choice)}
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
                "No network is added, because it does not lower the log loss on other training"
                " prompts."
            )
        )
    return found


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
            "log_loss": float(candidate["log_loss"]),
            "lead": "" if candidate["parts"] == choice["chosen"] else lead(candidate),
        }
        for candidate in choice["candidates"]
    ]


def lead(candidate: dict[str, Any]) -> str:
    """Return the chosen model's lead over a candidate in points, with its interval if known."""
    return gain(candidate["gain"]) + gain_interval(candidate)


def parts_of(names: Sequence[str]) -> str:
    """Return the parts of a linear model in words. Raises KeyError for an unknown part."""
    *first, last = (str(PARTS[name]) for name in names)
    if not first:
        return last
    return _("%(first)s and %(last)s") % {"first": ", ".join(first), "last": last}
