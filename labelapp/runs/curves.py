"""Values that a run logged by step, and what a page shows of them: charts, legend and table."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from labelapp.rendering.charts import Axis, Chart, Point, Series, Style
from labelapp.templatetags import figures

Values = Sequence[tuple[float, float]]
"""(step, value) pairs in the order of the steps."""

UNKNOWN = "–"
MAX_POINTS = 300  # of one line: about as many as can be told apart at its width
POINTS = 60  # of a noisy line among others: each is a mean over some steps
SMOOTHING = {"none": 0.0, "light": 0.6, "strong": 0.9}
"""The weights of the values before a point in its exponential moving average."""


@dataclass(frozen=True)
class LegendItem:
    """A line of the charts, with its name."""

    name: str
    colour: str
    style: Style
    is_level: bool = False


@dataclass(frozen=True)
class Curves:
    """Charts by step with their legend, and the values as a table."""

    key: str  # names the section in the page
    title: str
    charts: list[Chart]
    legend: list[LegendItem]
    columns: list[str]
    rows: list[list[str]]  # the first cell names the row
    notes: list[str]  # sentences
    remark: str = ""  # at the end of the legend


def step_axis() -> Axis:
    return Axis(_("step"))


def values(lines: Sequence[Mapping[str, Any]], name: str) -> Values:
    """Return the (step, value) pairs of the lines that have both."""
    return [
        (float(line["step"]), float(line[name]))
        for line in lines
        if isinstance(line.get("step"), int)
        and isinstance(line.get(name), int | float)
        and math.isfinite(line[name])
    ]


def line(name: str, points: Values, colour: str, style: Style, factor: float = 1.0) -> Series:
    """Return a line of a chart; its values are multiplied by `factor`."""
    drawn = [Point(step, factor * value) for step, value in points]
    return Series(name, drawn, colour, style, is_quiet=style == "pale")


def mean(numbers: Sequence[float]) -> float | None:
    return sum(numbers) / len(numbers) if numbers else None


def decimal(value: float | None, decimals: int = 3) -> str:
    """Return a number with so many decimals, and a dash for one that is not known."""
    return UNKNOWN if value is None else figures.decimal(value, decimals)


def thinned(points: Values, most: int = POINTS) -> Values:
    """Return at most `most` means of neighbouring points, each at the last of its steps."""
    stride = -(-len(points) // most)
    chunks = (points[start : start + stride] for start in range(0, len(points), stride or 1))
    return [(chunk[-1][0], sum(value for _, value in chunk) / len(chunk)) for chunk in chunks]


def smoothed(points: Values, weight: float) -> Values:
    """Return the exponential moving averages of the points.

    `weight` is that of the values before. The first averages are not drawn towards zero: each is
    divided by the sum of its weights, as Kingma and Ba 2015 (arXiv 1412.6980) correct theirs.
    """
    averages, total, weights = [], 0.0, 0.0
    for step, value in points:
        total = weight * total + (1 - weight) * value
        weights = weight * weights + (1 - weight)
        averages.append((step, total / weights))
    return averages
