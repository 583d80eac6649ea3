"""Plots of one run's figures: beside what the model must beat, by group, and calibration."""

from dataclasses import replace
from typing import Any

from django.utils.translation import gettext as _

from labelapp.models import TrainingRun
from labelapp.models.jobs import as_object, is_number
from labelapp.rendering.plots import Mark, Plot
from labelapp.runs.caveats import few_prompts
from labelapp.runs.interval_plots import (
    SHORT_NAMES,
    IntervalsPlot,
    estimate,
    intervals_plot,
    share_text,
    whole_percent,
)
from labelapp.runs.wilson import wilson
from labelapp.templatetags.figures import percent, points, thousands


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


def calibration_plot(run: TrainingRun) -> Plot | None:
    """Return how often the model is right, by how confident it is, as its run measured it."""
    calibration = as_object(run.held_out.get("calibration"))
    stored = calibration.get("bins")
    bins = [as_object(one) for one in stored] if isinstance(stored, list) else []
    known = [one for one in bins if is_filled(one)]
    if not known:
        return None
    error = calibration.get("ece")
    return Plot(
        name="calibration",
        title="Is it as sure as it should be?",
        sentence=f"Expected calibration error {percent(error)} on held-out comparisons; on the"
        " dashed line, confidence comes true.",
        x_label="confidence in the preferred response, in %",
        y_label="right, in %",
        ticks_x=["50", "60", "70", "80", "90", "100"],
        ticks_y=["0", "25", "50", "75", "100"],
        grid=[0.0, 25.0, 50.0, 75.0, 100.0],
        marks=[calibration_mark(one) for one in known],
        columns=["Confidence", "Right", "Comparisons"],
        rows=[calibration_row(one) for one in known],
        has_diagonal=True,
        notes=[
            "The intervals treat comparisons as independent, and are a little too narrow.",
            *reward_intervals(run),
        ],
    )


def reward_intervals(run: TrainingRun) -> list[str]:
    """Return in a sentence how well differences of rewards are known, if the run learned that."""
    found = as_object(run.held_out.get("intervals"))
    half_width, lead = found.get("half_width"), found.get("lead")
    if not is_number(half_width) or not is_number(lead):
        return []
    said = _(
        "Half of the differences between rewards are known to within ±%(half_width)s (95 %%);"
        " half of them are larger than %(lead)s."
    )
    return [said % {"half_width": f"{half_width:.2f}", "lead": f"{lead:.2f}"}]


def is_filled(one: dict[str, Any]) -> bool:
    """Return True for a bin of the calibration that has comparisons."""
    figures = (one.get("confidence"), one.get("accuracy"))
    has_figures = all(is_number(value) for value in figures)
    return has_figures and isinstance(one.get("comparisons"), int) and one["comparisons"] > 0


def calibration_mark(one: dict[str, Any]) -> Mark:
    low, high = wilson(one["accuracy"], one["comparisons"])
    return Mark(
        x=round(200 * (one["confidence"] - 0.5), 2),
        y=round(100 - 100 * one["accuracy"], 2),
        low=round(100 - 100 * low, 2),
        high=round(100 - 100 * high, 2),
    )


def calibration_row(one: dict[str, Any]) -> list[str]:
    low, high = wilson(one["accuracy"], one["comparisons"])
    right = f"{percent(one['accuracy'])} ({points(low)}–{points(high)})"
    return [percent(one["confidence"]), right, thousands(one["comparisons"])]
