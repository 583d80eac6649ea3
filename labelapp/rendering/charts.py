"""Coordinates and labels with which a template draws a line or bar chart as SVG."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

WIDTH, HEIGHT = 600.0, 200.0  # of the SVG's view box
CHANCE_LOSS = math.log(2)  # -log sigmoid(0), the loss of guessing without ties as outcomes
MAX_POINTS = 300  # about as many as can be told apart at this width


@dataclass(frozen=True)
class Curve:
    """A line chart of the loss."""

    polyline: str  # "x,y x,y ..."
    ticks_x: list[tuple[float, str]]  # position, label
    ticks_y: list[tuple[float, str]]  # position, label
    guessing: float | None  # y of the loss of guessing; None above the chart or if not known
    chance: float | None  # the loss of guessing
    rows: list[Mapping[str, Any]]  # values drawn, for a table


def loss_curve(
    lines: Sequence[Mapping[str, Any]], chance: float | None = CHANCE_LOSS
) -> Curve | None:
    """Return the curve of the loss by step, or None for fewer than two points.

    `chance` is the loss of a model that guesses, if it is known.
    """
    known = [
        line
        for line in lines
        if isinstance(line.get("loss"), int | float) and isinstance(line.get("step"), int)
    ]
    if len(known) < 2:
        return None
    stride = -(-len(known) // MAX_POINTS)
    rows = known[::stride]
    if rows[-1] is not known[-1]:
        rows.append(known[-1])
    first, last = rows[0]["step"], rows[-1]["step"]
    top = max(row["loss"] for row in rows) * 1.05 or 1.0
    points = (
        (WIDTH * (row["step"] - first) / max(1, last - first), HEIGHT * (1 - row["loss"] / top))
        for row in rows
    )
    return Curve(
        polyline=" ".join(f"{x:.1f},{y:.1f}" for x, y in points),
        ticks_x=[(0.0, f"{first:,}"), (WIDTH, f"{last:,}")],
        ticks_y=[(HEIGHT * (1 - part), f"{top * part:.2f}") for part in (0.0, 0.5, 1.0)],
        guessing=HEIGHT * (1 - chance / top) if chance is not None and top >= chance else None,
        chance=chance,
        rows=rows,
    )


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


@dataclass(frozen=True)
class Line:
    """One line of a chart of several."""

    number: int  # which colour it has, from 1
    kind: str  # its class: thin or marked
    path: str  # of an SVG path
    is_level: bool  # a single value, drawn as a level line


@dataclass(frozen=True)
class LineChart:
    """Lines over one another, by step."""

    lines: list[Line]
    ticks_x: list[tuple[float, str]]  # position, label
    ticks_y: list[tuple[float, str]]  # position, label
    chance: float | None  # y of the chance level; None outside the chart


Points = Sequence[tuple[float, float]]
"""(step, value) pairs in the order of the steps."""


def line_chart(
    lines: Sequence[tuple[int, str, Points]], chance: float, label: Callable[[float], str]
) -> LineChart | None:
    """Return a chart of (number, kind, points) lines, or None where none has two points.

    A line of one point is drawn as a level line. `label` writes the values of the axis.
    """
    if not any(len(points) > 1 for _, _, points in lines):
        return None
    steps = [step for _, _, points in lines for step, _ in points]
    values = [value for _, _, points in lines for _, value in points]
    last = max(steps) or 1.0
    bottom, top, unit = round_axis(min(values), max(values))

    def place(step: float, value: float) -> str:
        return f"{WIDTH * step / last:.1f},{HEIGHT * (top - value) / (top - bottom):.1f}"

    ticks = round((top - bottom) / unit)
    return LineChart(
        lines=[
            Line(
                number=number,
                kind=kind,
                path=(
                    f"M{place(0, points[0][1])} L{place(last, points[0][1])}"
                    if len(points) == 1
                    else "M" + " L".join(place(*point) for point in points)
                ),
                is_level=len(points) == 1,
            )
            for number, kind, points in lines
            if points
        ],
        ticks_x=[(0.0, "0"), (WIDTH, f"{round(last):,}")],
        ticks_y=[
            (HEIGHT * (1 - tick / ticks), label(bottom + tick * unit)) for tick in range(ticks + 1)
        ],
        chance=HEIGHT * (top - chance) / (top - bottom) if bottom <= chance <= top else None,
    )


def round_axis(lowest: float, highest: float) -> tuple[float, float, float]:
    """Return the ends of an axis on round values, and the distance of its three to seven ticks."""
    width = (highest - lowest) or abs(highest) or 1.0
    power = 10.0 ** math.floor(math.log10(width / 3))
    unit = next(power * factor for factor in (1, 2, 5, 10) if width / (power * factor) <= 5)
    bottom = unit * math.floor(lowest / unit + 1e-9)
    top = unit * math.ceil(highest / unit - 1e-9)
    return bottom, top if top > bottom else bottom + unit, unit


def smoothed(points: Points) -> list[tuple[float, float]]:
    """Return at most POINTS means of neighbouring points, each at the last of its steps."""
    stride = -(-len(points) // POINTS)
    chunks = (points[start : start + stride] for start in range(0, len(points), stride or 1))
    return [(chunk[-1][0], sum(value for _, value in chunk) / len(chunk)) for chunk in chunks]
