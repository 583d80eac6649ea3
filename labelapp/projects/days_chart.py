"""The chart of the rankings of each day, stacked by labeller."""

from collections import Counter
from collections.abc import Sequence

from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from labelapp.models import Member
from labelapp.projects.progress import Day, LabellerProgress
from labelapp.rendering.charts import Axis, Chart, Point, Series, axis_of_counts
from labelapp.templatetags.figures import decimal, thousands

MOST_LABELLERS = 7  # with a colour of their own; one is left for the others


def days_chart(days: Sequence[Day], labellers: Sequence[LabellerProgress]) -> Chart | None:
    """Return the chart of the days, or None without a ranking on any.

    Those who ranked most on these days have a colour of their own.
    """
    if not any(day.rankings for day in days):
        return None
    counts: Counter[int] = Counter()
    for day in days:
        counts.update(day.by_member)
    members = {each.member.pk: each.member for each in labellers}
    shown = [members[pk] for pk, _count in counts.most_common(MOST_LABELLERS) if pk in members]
    series = [of_member(member, days, str(n)) for n, member in enumerate(shown, 1)]
    own = {member.pk for member in shown}
    others = [Point(place, sum_of_others(day, own)) for place, day in enumerate(days)]
    if any(point.y for point in others):
        series.append(Series(_("others"), others, "8"))
    return Chart(
        key="plot-days",
        kind="bars",
        title=_("Rankings per day"),
        x=Axis("", names=[date_format(day.day, "MONTH_DAY_FORMAT") for day in days]),
        y=axis_of_counts(Axis(_("rankings")), [day.rankings for day in days]),
        series=series,
        columns=[_("Day"), _("Rankings"), *[one.name for one in series]],
        rows=[row(day, series, place) for place, day in reversed(list(enumerate(days)))],
        notes=[average(days)],
    )


def average(days: Sequence[Day]) -> str:
    """Return the rankings per day as a sentence, from the first of the days that has some."""
    begun = next(place for place, day in enumerate(days) if day.rankings)
    mean = sum(day.rankings for day in days) / len(days[begun:])
    words = {
        "mean": decimal(mean, 1),
        "day": date_format(days[begun].day, "MONTH_DAY_FORMAT"),
    }
    if begun == 0:
        return _("On average %(mean)s per day.") % words
    return _("On average %(mean)s per day since %(day)s.") % words


def of_member(member: Member, days: Sequence[Day], colour: str) -> Series:
    points = [Point(place, day.by_member.get(member.pk, 0)) for place, day in enumerate(days)]
    return Series(member.name, points, colour)


def sum_of_others(day: Day, own: set[int]) -> int:
    """Return the rankings of those without a colour of their own."""
    return day.rankings - sum(day.by_member.get(pk, 0) for pk in own)


def row(day: Day, series: Sequence[Series], place: int) -> list[str]:
    counts = [thousands(round(one.points[place].y)) for one in series]
    weekday = date_format(day.day, pgettext("date format", "D j M Y"))
    return [weekday, thousands(day.rankings), *counts]
