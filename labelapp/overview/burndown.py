"""The rankings that are left, day by day, and where the forecast leads them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from labelapp.projects.progress import Day, Forecast
from labelapp.rendering.charts import HEIGHT, WIDTH, axis_top

MOST_AHEAD = 6


@dataclass(frozen=True)
class Burndown:
    """The coordinates and labels of the chart, and its values."""

    line: str  # of an SVG path
    fan: str  # of an SVG path: between the earliest and the latest day; "" without a range
    pace: str  # of an SVG path: to the day of the forecast
    ticks_y: list[tuple[float, str]]
    today: float  # position in percent
    end: float  # of the forecast, in percent
    first: date
    last: date | None  # the latest day of the forecast that is drawn
    left: list[tuple[date, int]]  # in the evening of each day


def burndown(days: Sequence[Day], left: int, forecast: Forecast) -> Burndown | None:
    """Return the chart of what is left since the first of the days with a ranking.

    None without one, or if no ranking is wanted.
    """
    worked = [index for index, day in enumerate(days) if day.wanted]
    if not worked:
        return None
    shown = days[max(0, worked[0] - 1) :]
    values = []
    for day in reversed(shown):
        values.append((day.day, left))
        left += day.wanted
    values.reverse()
    first, today = shown[0].day, shown[-1].day
    end = last_day(forecast, today, len(shown))
    span = max(1, ((end or today) - first).days)
    top = axis_top(max(value for _, value in values))

    def place(day: date, value: int) -> str:
        return f"{WIDTH * (day - first).days / span:.1f},{HEIGHT * (1 - value / top):.1f}"

    here, fan, pace = place(*values[-1]), "", ""
    if forecast.day and end:
        pace = f"M{here} L{place(min(forecast.day, end), 0)}"
        if forecast.earliest:
            fan = f"M{here} L{place(min(forecast.earliest, end), 0)} L{place(end, 0)} Z"
    return Burndown(
        line="M" + " L".join(place(*value) for value in values),
        fan=fan,
        pace=pace,
        ticks_y=[(HEIGHT * (1 - part), f"{round(top * part):,}") for part in (0.0, 0.5, 1.0)],
        today=100 * (today - first).days / span,
        end=100 * ((forecast.day - first).days / span) if forecast.day and end else 100,
        first=first,
        last=end,
        left=values,
    )


def last_day(forecast: Forecast, today: date, shown: int) -> date | None:
    """Return the day at the end of the axis.

    A forecast that leads far away may take MOST_AHEAD times as much room as what has been.
    """
    if forecast.day is None:
        return None
    end = forecast.latest or forecast.day
    return max(forecast.day, min(end, today + timedelta(days=MOST_AHEAD * shown)))
