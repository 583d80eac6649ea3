"""Plots of one run's figures: beside what the model must beat, by group, and calibration."""

from dataclasses import dataclass, replace
from typing import Any

from labelapp.models import TrainingRun
from labelapp.models.jobs import as_object
from labelapp.runs.caveats import few_prompts
from labelapp.runs.interval_plots import (
    SHORT_NAMES,
    IntervalsPlot,
    estimate,
    intervals_plot,
    share_text,
    whole_percent,
)
from labelapp.templatetags.figures import percent, thousands


def accuracy_beside(run: TrainingRun) -> IntervalsPlot | None:
    """Return the accuracy beside those of the baselines and the agreement of people."""
    held_out = run.held_out
    if not held_out or few_prompts(held_out):
        return None
    baselines = as_object(held_out.get("baselines"))
    agreement = as_object(as_object(run.metrics.get("labellers_agree")).get("held_out"))
    found = [
        estimate("This run", "run", held_out, "accuracy"),
        *[
            estimate(title, "baseline", as_object(baselines.get(name)), "accuracy")
            for name, title in (SHORT_NAMES | {"before_training": "Before training"}).items()
        ],
        estimate("Two people", "people", agreement, "agreement"),
    ]
    known = [
        replace(one, text=share_text(one.value, one.low, one.high))
        for one in found
        if one is not None
    ]
    if len(known) < 2:
        return None
    return intervals_plot("Held-out accuracy, in %", known, whole_percent)


@dataclass(frozen=True)
class CalibrationDot:
    """The comparisons of one bin of confidence, with the dot's place in percent of the plot."""

    x: float
    y: float
    confidence: str
    accuracy: str
    comparisons: str


@dataclass(frozen=True)
class Calibration:
    """How often the model's preferences come true, by its confidence."""

    error: float  # the expected calibration error
    dots: list[CalibrationDot]


def calibration(run: TrainingRun) -> Calibration | None:
    """Return the calibration diagram, from 50 to 100 % on both axes; None without figures."""
    found = as_object(run.held_out.get("calibration"))
    error, bins = found.get("ece"), found.get("bins")
    if not isinstance(error, int | float) or not isinstance(bins, list):
        return None
    dots = [calibration_dot(each) for each in bins if as_object(each).get("comparisons")]
    return Calibration(float(error), dots) if dots else None


def calibration_dot(figures: dict[str, Any]) -> CalibrationDot:
    """Return the dot of one bin. An accuracy below one half lies below the plot's lower half."""
    confidence, accuracy = float(figures["confidence"]), float(figures["accuracy"])
    return CalibrationDot(
        x=round(200 * (confidence - 0.5), 1),
        y=round(100 * (1 - accuracy), 1),
        confidence=percent(confidence),
        accuracy=percent(accuracy),
        comparisons=thousands(figures["comparisons"]),
    )
