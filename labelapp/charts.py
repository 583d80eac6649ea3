"""Plots as numbers: what a template needs to draw a line in an SVG of 600 by 200."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

WIDTH, HEIGHT = 600.0, 200.0
GUESSING = math.log(2)  # -log sigmoid(0)
MOST_POINTS = 300  # more could not be told apart at this width


@dataclass(frozen=True)
class Curve:
    polyline: str  # "x,y x,y ..."
    ticks_x: list[tuple[float, str]]  # position, label
    ticks_y: list[tuple[float, str]]
    guessing: float | None  # where the loss of guessing lies, if it is in sight
    rows: list[Mapping[str, Any]]  # the values drawn, for a table


def loss_curve(lines: Sequence[Mapping[str, Any]]) -> Curve | None:
    """The loss by step, from zero upwards; None before there are two points."""
    known = [line for line in lines if isinstance(line.get("loss"), int | float)]
    if len(known) < 2:
        return None
    stride = -(-len(known) // MOST_POINTS)
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
