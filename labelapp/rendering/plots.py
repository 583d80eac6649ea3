"""Points on two axes, with positions in percent, and the values as the rows of a table."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from labelapp.rendering.charts import round_axis


@dataclass(frozen=True)
class Axis:
    """An axis with round ends and evenly spaced ticks."""

    low: float
    high: float
    labels: list[str]

    def percent(self, value: float) -> float:
        """Return the position of a value, from 0 to 100."""
        return round(100 * (value - self.low) / (self.high - self.low), 2)

    @property
    def grid(self) -> list[float]:
        """Return the positions of the ticks."""
        return [round(100 * n / (len(self.labels) - 1), 2) for n in range(len(self.labels))]


@dataclass(frozen=True)
class Mark:
    """A point, with the ends of its interval and of its box where it has them."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None
    box: tuple[float, float] | None = None  # upper end and height


@dataclass(frozen=True)
class Plot:
    """A plot with its axes, a sentence on it, and its values as a table."""

    name: str
    title: str
    sentence: str
    x_label: str
    y_label: str
    ticks_x: list[str]
    ticks_y: list[str]  # lowest first
    grid: list[float]
    marks: list[Mark]
    columns: list[str]
    rows: list[list[str]]
    is_categorical: bool = False  # ticks stand in the middle of equal parts
    has_diagonal: bool = False
    notes: list[str] = field(default_factory=list)


def axis_of(values: Sequence[float], decimals: int | None = None) -> Axis:
    """Return the axis on which all values lie."""
    low, high, unit = round_axis(min(values), max(values))
    ticks = [low + n * unit for n in range(round((high - low) / unit) + 1)]
    places = decimals if decimals is not None else (0 if unit >= 1 else 1 if unit >= 0.1 else 2)
    return Axis(low, high, [f"{tick + 0.0:,.{places}f}".replace("-", "\u2212") for tick in ticks])
