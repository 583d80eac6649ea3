"""Dots with intervals on one axis."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from labelapp.models.jobs import is_number
from labelapp.rendering.charts import round_axis
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
    url: str = ""  # of a page on it


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
    zero: float | None  # position of the line to compare with, if it is on the axis


def intervals_plot(
    title: str,
    estimates: Sequence[Estimate],
    label: Callable[[float], str],
    level: float | None = 0.0,
) -> IntervalsPlot:
    """Return the plot of estimates, at least one, whose axis is written by `label`.

    A line marks `level`, if it is on the axis.
    """
    axis = axis_of(estimates)
    return IntervalsPlot(
        title=title,
        dots=[dot(axis, one) for one in estimates],
        ticks=axis.ticks(label),
        zero=None if level is None or not axis.bottom <= level <= axis.top else axis.place(level),
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


def whole_percent(value: float) -> str:
    """Return 0.65 as "65", for an axis."""
    return f"{100 * value:.0f}"


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
