"""Dots with intervals on one axis: the accuracies of runs and their differences."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.text import capfirst

from labelapp.models.jobs import as_object, is_number
from labelapp.rendering.charts import round_axis
from labelapp.runs.caveats import gain
from labelapp.runs.comparing import RunComparison
from labelapp.runs.words import span
from labelapp.templatetags.figures import percent

SHORT_NAMES = {"longer_wins": "Longer wins", "word_counts": "Counting words"}
"""Baselines that are the same for all runs that were judged on the same comparisons."""


@dataclass(frozen=True)
class Estimate:
    """A figure with its name and its 95 % interval, if it has one."""

    name: str
    kind: str  # run, baseline or people
    value: float
    low: float | None
    high: float | None
    text: str


@dataclass(frozen=True)
class Axis:
    """The round ends of an axis, and the distance of its ticks."""

    bottom: float
    top: float
    unit: float

    def place(self, value: float) -> float:
        """Return the position of a value, in percent of the width of the axis."""
        return round(100 * (value - self.bottom) / (self.top - self.bottom), 1)

    def ticks(self, label: Callable[[float], str]) -> list[tuple[float, str]]:
        """Return the position and the label of each tick."""
        count = round((self.top - self.bottom) / self.unit) + 1
        marks = [self.bottom + tick * self.unit for tick in range(count)]
        return [(self.place(mark), label(mark)) for mark in marks]


@dataclass(frozen=True)
class Dot:
    """An estimate with its positions on the axis, in percent of its width."""

    estimate: Estimate
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class IntervalsPlot:
    """A row for each estimate, with the marks of the axis."""

    title: str
    dots: list[Dot]
    ticks: list[tuple[float, str]]  # position in percent, label
    zero: float | None  # position of zero, if it is on the axis


def intervals_plot(
    title: str, estimates: Sequence[Estimate], label: Callable[[float], str]
) -> IntervalsPlot:
    """Return the plot of estimates, at least one, whose axis is written by `label`."""
    axis = axis_of(estimates)
    return IntervalsPlot(
        title=title,
        dots=[dot(axis, one) for one in estimates],
        ticks=axis.ticks(label),
        zero=axis.place(0.0) if axis.bottom <= 0.0 <= axis.top else None,
    )


def axis_of(estimates: Sequence[Estimate]) -> Axis:
    """Return the axis on which all estimates, at least one, have their place."""
    ends = [
        end
        for one in estimates
        for end in (one.value, one.low, one.high)
        if end is not None
    ]  # fmt: skip
    return Axis(*round_axis(min(ends), max(ends)))


def dot(axis: Axis, one: Estimate) -> Dot:
    """Return an estimate with its positions on the axis."""
    return Dot(
        estimate=one,
        value=axis.place(one.value),
        low=axis.place(one.value if one.low is None else one.low),
        high=axis.place(one.value if one.high is None else one.high),
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


def whole_percent(value: float) -> str:
    """Return 0.65 as "65", for an axis."""
    return f"{100 * value:.0f}"


def whole_points(value: float) -> str:
    """Return 0.05 as "+5", for an axis."""
    return "0" if abs(value) < 1e-9 else gain(value).removesuffix(".0")


def estimate(name: str, kind: str, figures: dict[str, Any], key: str) -> Estimate | None:
    """Return a share of the figures with its interval, or None if it is not known."""
    value, low, high = (figures.get(f"{key}{end}") for end in ("", "_low", "_high"))
    if not is_number(value):
        return None
    return Estimate(name, kind, value, low, high, percent(value))


def share_text(value: float, low: float | None, high: float | None) -> str:
    """Return a share with its interval, as in "64.1 % (60.2–68.0)"."""
    between = "" if low is None or high is None else f" ({span(low, high)})"
    return f"{percent(value)}{between}"
