"""Coordinates and labels with which a template draws a line or bar chart as SVG."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 600.0, 200.0  # of the SVG's view box
CHANCE_LOSS = math.log(2)  # -log sigmoid(0), the loss of guessing without ties as outcomes
MAX_POINTS = 300  # of one line: about as many as can be told apart at this width


@dataclass(frozen=True)
class Bar:
    """One bar, with the label and the count that it stands for."""

    x: float
    y: float
    width: float
    height: float
    label: str
    value: int


@dataclass(frozen=True)
class BarChart:
    """A bar chart of counts."""

    bars: list[Bar]
    ticks_y: list[tuple[float, str]]  # position, label


def bar_chart(values: Sequence[tuple[str, int]]) -> BarChart:
    """Return the bar chart of labels and their counts."""
    top = axis_top(max((value for _, value in values), default=0))
    step = WIDTH / max(1, len(values))
    return BarChart(
        bars=[
            Bar(
                x=step * (index + 0.125),
                y=HEIGHT * (1 - value / top),
                width=step * 0.75,
                height=HEIGHT * value / top,
                label=label,
                value=value,
            )
            for index, (label, value) in enumerate(values)
        ],
        ticks_y=[(HEIGHT * (1 - part), f"{round(top * part):,}") for part in (0.0, 0.5, 1.0)],
    )


def axis_top(highest: int) -> int:
    """Return the smallest round even number that is at least the highest count.

    Half of an even number is a whole one, for the label in the middle of the axis.
    """
    unit = 10 ** max(0, len(str(highest)) - 2)
    tops = (2, 4, 6, 8, 10, 12, 16, 20, 24, 30, 40, 50, 60, 80, 100)
    return next(top * unit for top in tops if top * unit >= highest)


POINTS = 60  # of a noisy line among others: each is a mean over some steps
SMOOTHING = {"none": 0.0, "light": 0.6, "strong": 0.9}
"""The weights of the values before a point in its exponential moving average."""

Points = Sequence[tuple[float, float]]
"""(step, value) pairs in the order of the steps."""


@dataclass(frozen=True)
class Series:
    """One line to draw: its colour, its style and its points."""

    colour: int  # from 1
    style: str  # pale, thin or thick
    points: Points


@dataclass(frozen=True)
class Line:
    """One line of a chart, drawn."""

    colour: int
    style: str
    path: str  # of an SVG path
    is_level: bool  # a single value, drawn as a level line


@dataclass(frozen=True)
class LineChart:
    """Lines over one another, by step."""

    key: str  # names the chart in the page
    title: str
    unit: str  # of the values, or ""
    lines: list[Line]
    ticks_x: list[tuple[float, str]]  # position in percent, label
    ticks_y: list[tuple[float, str]]  # position, label
    chance: float | None  # y of the chance level; None outside the chart


def line_chart(
    key: str,
    title: str,
    series: Sequence[Series],
    label: Callable[[float], str],
    *,
    unit: str = "",
    chance: float | None = None,
) -> LineChart | None:
    """Return the chart of these lines by step, or None where none has two points.

    A line of one point is drawn as a level line. `label` writes the values of the axis.
    """
    drawn = [one for one in series if one.points]
    if not any(len(one.points) > 1 for one in drawn):
        return None
    last = max(step for one in drawn for step, _ in one.points) or 1.0
    values = [value for one in drawn for _, value in one.points]
    bottom, top, distance = round_axis(min(values), max(values))
    ticks = round((top - bottom) / distance)

    def place(step: float, value: float) -> str:
        return f"{WIDTH * step / last:.1f},{HEIGHT * (top - value) / (top - bottom):.1f}"

    def path(points: Points) -> str:
        if len(points) == 1:
            return f"M{place(0, points[0][1])} L{place(last, points[0][1])}"
        return "M" + " L".join(place(*point) for point in points)

    return LineChart(
        key=key,
        title=title,
        unit=unit,
        lines=[
            Line(one.colour, one.style, path(one.points), len(one.points) == 1) for one in drawn
        ],
        ticks_x=step_ticks(last),
        ticks_y=[
            (HEIGHT * (1 - tick / ticks), label(bottom + tick * distance))
            for tick in range(ticks + 1)
        ],
        chance=(
            HEIGHT * (top - chance) / (top - bottom)
            if chance is not None and bottom <= chance <= top
            else None
        ),
    )


def step_ticks(last: float) -> list[tuple[float, str]]:
    """Return the positions, in percent, and labels of round steps from 0 to `last`."""
    _, top, distance = round_axis(0.0, last)
    distance = max(1.0, distance)
    marks = (tick * distance for tick in range(round(top / distance) + 1))
    return [(100 * mark / last, f"{round(mark):,}") for mark in marks if mark <= last]


def round_axis(lowest: float, highest: float) -> tuple[float, float, float]:
    """Return the ends of an axis on round values, and the distance of its three to seven ticks."""
    width = (highest - lowest) or abs(highest) or 1.0
    power = 10.0 ** math.floor(math.log10(width / 3))
    unit = next(power * factor for factor in (1, 2, 5, 10) if width / (power * factor) <= 5)
    bottom = unit * math.floor(lowest / unit + 1e-9)
    top = unit * math.ceil(highest / unit - 1e-9)
    return bottom, top if top > bottom else bottom + unit, unit


def thinned(points: Points, most: int = POINTS) -> list[tuple[float, float]]:
    """Return at most `most` means of neighbouring points, each at the last of its steps."""
    stride = -(-len(points) // most)
    chunks = (points[start : start + stride] for start in range(0, len(points), stride or 1))
    return [(chunk[-1][0], sum(value for _, value in chunk) / len(chunk)) for chunk in chunks]


def smoothed(points: Points, weight: float) -> list[tuple[float, float]]:
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
