"""Describe a chart: its axes, its series and its values as a table.

A template shows the table, and static/js/charts.js draws what `Chart.data` returns.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Literal

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

MINUS, SPACE, NARROW_SPACE = "\u2212", "\u00a0", "\u202f"

Kind = Literal["lines", "bars", "dots", "rows"]
Style = Literal["thin", "thick", "pale", "dashed", "small"]
Notation = Literal["decimal", "signed", "scientific", "significant"]


@dataclass(frozen=True)
class Axis:
    """An axis with the unit in which its values are written.

    Without ends, they follow from what is drawn. With `names`, the values 0, 1, 2, … are
    categories; with `start`, they are days after that one.
    """

    label: str
    unit: str = ""
    decimals: int = 0  # of a value that is pointed at
    notation: Notation = "decimal"
    low: float | None = None
    high: float | None = None
    step: float | None = None  # the distance of the ticks
    names: Sequence[str] = ()
    start: date | None = None
    is_log: bool = False

    def data(self) -> dict[str, Any]:
        """Return what the script needs, without what is not set."""
        start = None if self.start is None else self.start.isoformat()
        found = {
            "label": self.label, "unit": self.unit, "decimals": self.decimals,
            "notation": self.notation, "low": self.low, "high": self.high, "step": self.step,
            "names": list(self.names), "start": start, "log": self.is_log,
        }  # fmt: skip
        return {name: value for name, value in found.items() if has(value)}

    def write(self, value: float) -> str:
        """Return a value as text with its unit."""
        if self.notation == "scientific":
            text = f"{value:.1e}" if value else "0"
        elif self.notation == "significant":
            text = f"{value:.3g}"
        else:
            sign = "+" if self.notation == "signed" else ""
            text = f"{round(value, self.decimals) + 0.0:{sign},.{self.decimals}f}"
        space = NARROW_SPACE if self.unit == "%" else SPACE
        return text.replace("-", MINUS) + (space + self.unit if self.unit else "")


def has(value: object) -> bool:
    """Return True for a value that the script needs to be given."""
    return value is not None and value is not False and value not in ("", [])


@dataclass(frozen=True)
class Point:
    """A value, with its interval, its box, and how it is written, where it has them."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None
    box: tuple[float, float] | None = None  # lower and upper end
    text: str = ""
    url: str = ""  # of a page on what is behind it

    @property
    def is_finite(self) -> bool:
        return math.isfinite(self.x) and math.isfinite(self.y)


@dataclass(frozen=True)
class Series:
    """Values of one kind, with the colour of their marks: 1 to 8, or a colour of the pages."""

    name: str
    points: Sequence[Point]
    colour: str = "accent"
    style: Style = "thick"
    is_level: bool = False  # a single value, drawn over the whole width
    is_quiet: bool = False  # drawn, but not told when pointed at

    def data(self) -> dict[str, Any]:
        """Return the points as columns; a column that no point has is left out."""
        points = [point for point in self.points if point.is_finite]
        columns: dict[str, list[Any]] = {
            "x": [point.x for point in points], "y": [point.y for point in points],
            "low": [point.low for point in points], "high": [point.high for point in points],
            "box": [point.box for point in points], "text": [point.text for point in points],
            "url": [point.url for point in points],
        }  # fmt: skip
        kept = {name: column for name, column in columns.items() if any(has(one) for one in column)}
        return {
            "name": self.name, "colour": self.colour, "style": self.style, "level": self.is_level,
            "quiet": self.is_quiet, "x": columns["x"], "y": columns["y"],
        } | kept  # fmt: skip


@dataclass(frozen=True)
class Reference:
    """A level to compare with, such as chance."""

    name: str
    value: float


@dataclass(frozen=True)
class Area:
    """A shaded polygon, such as the range of a forecast."""

    name: str
    corners: Sequence[tuple[float, float]]
    colour: str = "accent"


def link(text: str, url: str) -> SafeString:
    """Return a cell of a table that leads to another page."""
    return format_html('<a href="{}">{}</a>', url, text)


@dataclass(frozen=True)
class Chart:
    """A chart with its title, a sentence on it, and its values as the rows of a table.

    Without columns, the page has the table elsewhere.
    """

    key: str  # names the chart in the page
    kind: Kind
    title: str
    x: Axis
    y: Axis
    series: Sequence[Series]
    references: Sequence[Reference] = ()
    areas: Sequence[Area] = ()
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    sentence: str = ""
    notes: Sequence[str] = ()
    has_diagonal: bool = False  # a line on which both axes have the same value
    can_zoom: bool = False

    def data(self) -> dict[str, Any]:
        """Return what the script draws."""
        return {
            "kind": self.kind,
            "x": self.x.data(),
            "y": self.y.data(),
            "series": [one.data() for one in self.series],
            "references": [{"name": one.name, "value": one.value} for one in self.references],
            "areas": [
                {"name": one.name, "colour": one.colour, "corners": list(one.corners)}
                for one in self.areas
            ],
            "diagonal": self.has_diagonal,
            "zoom": self.can_zoom,
        }

    @property
    def legend(self) -> list[Series]:
        """Return the series with names, where there are several marks to tell apart."""
        named = [one for one in self.series if one.name]
        return named if len(named) + len(self.areas) > 1 else []

    @property
    def marked_rows(self) -> list[tuple[Series, Sequence[str]]]:
        """Return the rows of a chart of rows, each with the series that it shows."""
        return list(zip(self.series, self.rows, strict=True))

    @property
    def y_title(self) -> str:
        """Return the label of the vertical axis with its unit."""
        return titled(self.y)

    @property
    def y_heading(self) -> str:
        """Return what the page says above the vertical axis, unless the title has said it."""
        return "" if self.y_title.casefold() == self.title.casefold() else self.y_title

    @property
    def x_title(self) -> str:
        return titled(self.x)

    @property
    def description(self) -> str:
        """Return the chart in words, for those who do not see it."""
        parts = [f"{self.title}."]
        if self.y_title and self.x_title:
            parts.append(_("%(y)s by %(x)s.") % {"y": self.y_title, "x": self.x_title})
        parts += [self.words(one) for one in self.series if not one.is_quiet]
        parts += [f"{one.name}: {self.y.write(one.value)}." for one in self.references]
        return " ".join(part for part in parts if part)

    def words(self, series: Series) -> str:
        """Return the ends of a series and how far it reaches."""
        values = [point.y for point in series.points if point.is_finite]
        if not values:
            return ""
        name = f"{series.name}: " if series.name else ""
        if len(values) == 1:
            return f"{name}{self.y.write(values[0])}."
        ends = [self.y.write(value) for value in (values[0], values[-1], min(values), max(values))]
        sentence = _("%(first)s at first, %(last)s at last, between %(lowest)s and %(highest)s.")
        names = ("first", "last", "lowest", "highest")
        return name + sentence % dict(zip(names, ends, strict=True))


def titled(axis: Axis) -> str:
    """Return the label of an axis with its unit, as in "accuracy, in %"."""
    if not axis.unit or not axis.label:
        return axis.label
    return _("%(label)s, in %(unit)s") % {"label": axis.label, "unit": axis.unit}


# ---- the ends of axes ----


def round_axis(lowest: float, highest: float) -> tuple[float, float, float]:
    """Return the ends of an axis on round values, and the distance of its three to seven ticks."""
    width = (highest - lowest) or abs(highest) or 1.0
    power = 10.0 ** math.floor(math.log10(width / 3))
    unit = next(power * factor for factor in (1, 2, 5, 10) if width / (power * factor) <= 5)
    bottom = unit * math.floor(lowest / unit + 1e-9)
    top = unit * math.ceil(highest / unit - 1e-9)
    return bottom, top if top > bottom else bottom + unit, unit


def axis_over(axis: Axis, values: Sequence[float]) -> Axis:
    """Return the axis with round ends between which the values lie, of which there is one."""
    low, high, step = round_axis(min(values), max(values))
    return replace(axis, low=low, high=high, step=step)


def axis_of_counts(axis: Axis, values: Sequence[float]) -> Axis:
    """Return the axis from 0 to a round number that is at least the highest count."""
    low, high, step = round_axis(0.0, max([*values, 1.0]))
    return replace(axis, low=low, high=max(high, 1.0), step=max(step, 1.0))


# ---- lines ----


def line_chart(
    key: str,
    title: str,
    series: Sequence[Series],
    *,
    x: Axis,
    y: Axis,
    reference: Reference | None = None,
) -> Chart | None:
    """Return the chart of these lines, or None where none has two points.

    A line of one point is drawn as a level line. The reference is shown where it is in sight.
    """
    drawn = [
        replace(one, is_level=len(one.points) == 1)
        for one in (replace(one, points=finite(one.points)) for one in series)
        if one.points
    ]
    if all(one.is_level for one in drawn):
        return None
    values = [point.y for one in drawn for point in one.points]
    is_log = y.is_log and min(values) > 0
    low, high, _step = round_axis(min(values), max(values))
    in_sight = reference is not None and low <= reference.value <= high
    return Chart(
        key=key,
        kind="lines",
        title=title,
        x=replace(x, low=0.0, high=max(point.x for one in drawn for point in one.points) or 1.0),
        y=replace(y, is_log=is_log) if is_log else replace(y, is_log=False, low=low, high=high),
        series=drawn,
        references=[reference] if reference is not None and in_sight else [],
        can_zoom=True,
    )


def finite(points: Sequence[Point]) -> list[Point]:
    return [point for point in points if point.is_finite]
