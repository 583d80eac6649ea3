"""The chart of the rankings that are left, day by day, and of the forecast."""

from collections.abc import Sequence
from datetime import date, timedelta

from django.utils.formats import date_format
from django.utils.translation import gettext as _

from labelapp.projects.progress import Day, Forecast
from labelapp.rendering.charts import Area, Axis, Chart, Point, Series, axis_of_counts
from labelapp.templatetags.figures import thousands

MOST_AHEAD = 6


def burndown(days: Sequence[Day], left: int, forecast: Forecast) -> Chart | None:
    """Return the chart of what is left since the first of the days with a ranking.

    None without one, or if no ranking is wanted.
    """
    values = left_by_day(days, left)
    if not values:
        return None
    first, today = values[0][0], values[-1][0]
    end = last_day(forecast, today, len(values))
    series = [
        Series(
            _("left"),
            [Point((day - first).days, count, text=thousands(count)) for day, count in values],
        )
    ]
    areas: list[Area] = []
    rows = [[date_format(day, "DATE_FORMAT"), thousands(count)] for day, count in reversed(values)]
    if forecast.day and end:
        here = float((today - first).days)
        series.append(
            Series(
                _("forecast"),
                [
                    Point(here, left, text=thousands(left)),
                    Point((forecast.day - first).days, 0, text=in_words(forecast.day, forecast)),
                ],
                style="dashed",
            )
        )
        if forecast.earliest:
            corners = [(here, left), *range_of(forecast, left, today, end, first)]
            areas.append(Area(_("95 % interval of the forecast"), corners))
        rows.insert(0, [_("Forecast: none left"), in_words(forecast.day, forecast)])
    return Chart(
        key="plot-left",
        kind="lines",
        title=_("Rankings left"),
        x=Axis("", start=first, low=0, high=max(1, ((end or today) - first).days)),
        y=axis_of_counts(Axis(_("rankings left")), [count for _day, count in values]),
        series=series,
        areas=areas,
        columns=[_("Day"), _("Rankings left")],
        rows=rows,
    )


def left_by_day(days: Sequence[Day], left: int) -> list[tuple[date, int]]:
    """Return what was left at the end of each day, from the day before the first ranking on."""
    worked = [index for index, day in enumerate(days) if day.wanted]
    if not worked:
        return []
    values = []
    for day in reversed(days[max(0, worked[0] - 1) :]):
        values.append((day.day, left))
        left += day.wanted
    return values[::-1]


def last_day(forecast: Forecast, today: date, shown: int) -> date | None:
    """Return the day at the end of the axis.

    A forecast that leads far away may take MOST_AHEAD times as much room as what has been.
    """
    if forecast.day is None:
        return None
    end = forecast.latest or forecast.day
    return max(forecast.day, min(end, today + timedelta(days=MOST_AHEAD * shown)))


def range_of(
    forecast: Forecast, left: int, today: date, end: date, first: date
) -> list[tuple[float, float]]:
    """Return the corners of the range after today's: the ends by the fastest and the slowest pace.

    The slowest pace may reach the end of the axis with rankings left.
    """
    earliest = min(forecast.earliest or end, end)
    slowest = float(left)
    if forecast.latest:
        slowest = left * (1 - (end - today).days / (forecast.latest - today).days)
    last = float((end - first).days)
    return [(float((earliest - first).days), 0.0), (last, 0.0), (last, slowest)]


def in_words(done_on: date, forecast: Forecast) -> str:
    """Return the day of a forecast with its range."""
    day = date_format(done_on, "DATE_FORMAT")
    if not forecast.earliest:
        return day
    earliest = date_format(forecast.earliest, "DATE_FORMAT")
    if not forecast.latest:
        return _("%(day)s (%(earliest)s at the earliest)") % {"day": day, "earliest": earliest}
    return _("%(day)s (%(earliest)s to %(latest)s)") % {
        "day": day,
        "earliest": earliest,
        "latest": date_format(forecast.latest, "DATE_FORMAT"),
    }
