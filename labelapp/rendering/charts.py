"""Charts: the coordinates with which a template draws lines or bars in an SVG of 600 by 200."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

WIDTH, HEIGHT = 600.0, 200.0
GUESSING = math.log(2)  # -log sigmoid(0)
MAX_POINTS = 300  # more would be indistinguishable at this width


@dataclass(frozen=True)
class Curve:
    polyline: str  # "x,y x,y ..."
    ticks_x: list[tuple[float, str]]  # position, label
    ticks_y: list[tuple[float, str]]
    guessing: float | None  # y of the loss at chance level, if it is visible
    rows: list[Mapping[str, Any]]  # the plotted values, for a table


def loss_curve(lines: Sequence[Mapping[str, Any]]) -> Curve | None:
    """Return the loss by step on an axis from zero, or None for fewer than two points."""
    known = [line for line in lines if isinstance(line.get("loss"), int | float)]
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
        guessing=HEIGHT * (1 - GUESSING / top) if top >= GUESSING else None,
        rows=rows,
    )


@dataclass(frozen=True)
class Bar:
    x: float
    y: float
    width: float
    height: float
    label: str
    value: int


@dataclass(frozen=True)
class Bars:
    bars: list[Bar]
    ticks_y: list[tuple[float, str]]  # position, label


def bar_chart(values: Sequence[tuple[str, int]]) -> Bars:
    """Return a bar for each (label, count), on an axis from zero."""
    top = round_top(max((value for _, value in values), default=0))
    step = WIDTH / max(1, len(values))
    return Bars(
        bars=[
            Bar(
                x=step * (place + 0.125),
                y=HEIGHT * (1 - value / top),
                width=step * 0.75,
                height=HEIGHT * value / top,
                label=label,
                value=value,
            )
            for place, (label, value) in enumerate(values)
        ],
        ticks_y=[(HEIGHT * (1 - part), f"{round(top * part):,}") for part in (0.0, 0.5, 1.0)],
    )


def round_top(highest: int) -> int:
    """Return an even round number of at least `highest`, so that half of it is whole as well."""
    size = 10 ** max(0, len(str(highest)) - 2)
    tops = (2, 4, 6, 8, 10, 12, 16, 20, 24, 30, 40, 50, 60, 80, 100)
    return next(n * size for n in tops if n * size >= highest)
