"""Dots with intervals on one axis."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from labelapp.models.jobs import as_object, is_number
from labelapp.rendering import charts
from labelapp.runs.words import span
from labelapp.templatetags.figures import percent, signed, thousands

SHORT_NAMES = {
    "longer_wins": gettext_lazy("Longer wins"),
    "word_counts": pgettext_lazy("baseline", "Counting words"),
}
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


def axis_of(estimates: Sequence[Estimate]) -> Axis:
    """Return the axis on which all estimates, at least one, have their place."""
    ends = [
        end
        for one in estimates
        for end in (one.value, one.low, one.high)
        if end is not None
    ]  # fmt: skip
    return Axis(*charts.round_axis(min(ends), max(ends)))


def dot(axis: Axis, one: Estimate) -> Dot:
    """Return an estimate with its positions on the axis."""
    return Dot(
        estimate=one,
        value=axis.place(one.value),
        low=axis.place(one.value if one.low is None else one.low),
        high=axis.place(one.value if one.high is None else one.high),
    )


def estimate(name: str, kind: str, figures: dict[str, Any], key: str) -> Estimate | None:
    """Return a share of the figures with its interval, or None if it is not known."""
    value, low, high = (figures.get(f"{key}{end}") for end in ("", "_low", "_high"))
    if not is_number(value):
        return None
    return Estimate(name, kind, value, low, high, percent(value))


def people_of(metrics: Mapping[str, Any]) -> Estimate | None:
    """Return how often two labellers agree on the held-out prompts of a run, if it is known."""
    agreement = as_object(as_object(metrics.get("labellers_agree")).get("held_out"))
    pairs = agreement.get("pairs")
    name = (
        _("Two people, on %(pairs)s pairs") % {"pairs": thousands(pairs)}
        if isinstance(pairs, int)
        else _("Two people")
    )
    return estimate(name, "people", agreement, "agreement")


def accuracy_title(held_out: Mapping[str, Any]) -> str:
    """Return the title of a plot of accuracies on the held-out comparisons of a run."""
    comparisons = held_out.get("comparisons")
    if not isinstance(comparisons, int):
        return _("Held-out accuracy, in %")
    return _(
        "Accuracy on %(comparisons)s held-out comparisons, in\u00a0%%, with 95\u00a0%% intervals"
    ) % {"comparisons": thousands(comparisons)}


def share_text(value: float, low: float | None, high: float | None) -> str:
    """Return a share with its interval, as in "64.1 % (60.2–68.0)"."""
    between = "" if low is None or high is None else f" ({span(low, high)})"
    return f"{percent(value)}{between}"


@dataclass(frozen=True)
class Unit:
    """Say how shares are written on an axis: multiplied by 100, with a unit."""

    name: str
    notation: charts.Notation
    interval: Callable[[float, float], str]


def signed_span(low: float, high: float) -> str:
    """Return the ends of a difference, as in "−1.2 to +5.0"."""
    return _("%(low)s to %(high)s") % {
        "low": signed(100 * low, 1),
        "high": signed(100 * high, 1),
    }


PERCENT = Unit("%", "decimal", span)
POINTS = Unit("points", "signed", signed_span)
COLOURS = {"run": "accent", "baseline": "edge", "people": "gold-line"}


def intervals_plot(
    key: str,
    title: str,
    estimates: Sequence[Estimate],
    unit: Unit = PERCENT,
    reference: charts.Reference | None = None,
) -> charts.Chart:
    """Return the chart with a row for each of the estimates, of which there is one at least.

    A line marks the reference, given as a share, if it is on the axis.
    """
    axis = axis_of(estimates)
    in_sight = reference is not None and axis.bottom <= reference.value <= axis.top
    return charts.Chart(
        key=key,
        kind="rows",
        title=title,
        x=charts.Axis(
            "", unit.name, decimals=1, notation=unit.notation,
            low=100 * axis.bottom, high=100 * axis.top, step=100 * axis.unit,
        ),
        y=charts.Axis(""),
        series=[
            charts.Series(one.name, [point(one, place)], COLOURS[one.kind])
            for place, one in enumerate(estimates)
        ],
        references=(
            [charts.Reference(reference.name, 100 * reference.value)]
            if reference is not None and in_sight
            else []
        ),
        columns=[_("Name"), title, _("95 % interval")],
        rows=[row(one, unit) for one in estimates],
    )  # fmt: skip


def point(one: Estimate, place: int) -> charts.Point:
    """Return an estimate in the row of that place."""
    low, high = (None if end is None else 100 * end for end in (one.low, one.high))
    return charts.Point(100 * one.value, place, low, high, url=one.url)


def row(one: Estimate, unit: Unit) -> list[str]:
    """Return an estimate as a row of the table."""
    between = ""
    if one.low is not None and one.high is not None:
        between = unit.interval(one.low, one.high)
    return [charts.link(one.name, one.url) if one.url else one.name, one.text, between]
