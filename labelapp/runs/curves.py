"""Values that a run logged by step, and what a page shows of them: charts, legend and table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labelapp.rendering.charts import LineChart

Values = list[tuple[float, float]]
UNKNOWN = "–"


@dataclass(frozen=True)
class LegendItem:
    """A line of the charts, with its name."""

    name: str
    colour: int
    style: str
    is_level: bool = False


@dataclass(frozen=True)
class Curves:
    """Charts by step with their legend, and the values as a table."""

    key: str  # names the section in the page
    title: str
    charts: list[LineChart]
    legend: list[LegendItem]
    columns: list[str]
    rows: list[list[str]]  # the first cell names the row
    notes: list[str]  # sentences
    remark: str = ""  # at the end of the legend


def values(lines: Sequence[Mapping[str, Any]], name: str) -> Values:
    """Return the (step, value) pairs of the lines that have both."""
    return [
        (float(line["step"]), float(line[name]))
        for line in lines
        if isinstance(line.get("step"), int) and isinstance(line.get(name), int | float)
    ]


def mean(numbers: Sequence[float]) -> float | None:
    return sum(numbers) / len(numbers) if numbers else None


def decimal(value: float | None, decimals: int = 3) -> str:
    """Return a number with so many decimals, and a dash for one that is not known."""
    return UNKNOWN if value is None else f"{value:.{decimals}f}"
