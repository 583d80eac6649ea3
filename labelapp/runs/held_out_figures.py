"""The figures of a run's model on its held-out prompts, as cards of two pages."""

from dataclasses import dataclass
from typing import Any

from labelapp.models import TrainingRun
from labelapp.models.jobs import as_object, is_number
from labelapp.runs.caveats import BASELINES, few_prompts
from labelapp.runs.run_verdict import TO_BEAT, gain_over, to_beat


@dataclass(frozen=True)
class BaselineFigure:
    """The accuracy of a baseline, with its name in words and its interval if it has one."""

    name: str
    accuracy: float
    low: float | None = None
    high: float | None = None


def figures_context(run: TrainingRun) -> dict[str, Any]:
    """Return what templates/runs/_figures.html shows."""
    held_out = run.held_out
    return {
        "figures": held_out,
        "few_prompts": few_prompts(held_out),
        "baselines": baseline_figures(held_out),
        "has_curves": bool(run.metrics.get("steps")),
    }


def baseline_figures(held_out: dict[str, Any]) -> list[BaselineFigure]:
    """Return the baselines to beat, the better one first, as the verdict on the run names them.

    A run of an earlier version may have the first alone, without an interval.
    """
    known = as_object(held_out.get("baselines"))
    ordered = sorted(to_beat(held_out), key=lambda name: gain_over(held_out, name))
    found = [baseline_figure(name, as_object(known[name])) for name in ordered]
    if not found and is_number(held_out.get("longer_wins")):
        found = [BaselineFigure(str(BASELINES[TO_BEAT[0]]), held_out["longer_wins"])]
    return found


def baseline_figure(name: str, figures: dict[str, Any]) -> BaselineFigure:
    return BaselineFigure(
        str(BASELINES[name]),
        figures["accuracy"],
        figures.get("accuracy_low"),
        figures.get("accuracy_high"),
    )
