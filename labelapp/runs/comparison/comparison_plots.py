"""Plots of compared runs: their accuracies, and the differences from the reference."""

from django.utils.text import capfirst

from labelapp.models.jobs import as_object
from labelapp.runs.caveats import gain
from labelapp.runs.comparison.comparing import RunComparison
from labelapp.runs.interval_plots import (
    SHORT_NAMES,
    Estimate,
    IntervalsPlot,
    estimate,
    intervals_plot,
    whole_percent,
)


def plots(comparison: RunComparison) -> list[IntervalsPlot]:
    """Return the accuracies beside what they must beat, and the differences from the reference.

    Runs that were judged on other comparisons are left out, and so are plots of a single run.
    """
    reference, together = comparison.reference, comparison.together
    accuracies = [estimate(capfirst(one.name), "run", one.held_out, "accuracy") for one in together]
    baselines = as_object(reference.held_out.get("baselines"))
    for name, found in baselines.items():
        if name in SHORT_NAMES:
            accuracies.append(estimate(SHORT_NAMES[name], "baseline", as_object(found), "accuracy"))
    agreement = as_object(as_object(reference.run.metrics.get("labellers_agree")).get("held_out"))
    accuracies.append(estimate("Two people", "people", agreement, "agreement"))
    found = [one for one in accuracies if one is not None]
    if len(together) < 2 or not found:
        return []
    drawn = [intervals_plot("Held-out accuracy, in %", found, whole_percent)]
    differences = [
        Estimate(
            capfirst(one.name), "run", one.gain.value, one.gain.low, one.gain.high,
            gain(one.gain.value),
        )
        for one in together
        if one.gain is not None
    ]  # fmt: skip
    if any(one.value or one.low for one in differences):
        title = f"Difference from {reference.name}, in points"
        drawn.append(intervals_plot(title, differences, whole_points))
    return drawn


def whole_points(value: float) -> str:
    """Return 0.05 as "+5", for an axis."""
    return "0" if abs(value) < 1e-9 else gain(value).removesuffix(".0")
