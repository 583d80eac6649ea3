"""A labeller's figures by week: agreement with the others, time per ranking, rankings per day."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db.models import Case, Count, F, IntegerField, Sum, Value, When, Window
from django.db.models.functions import RowNumber, TruncDate
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from labelapp.models import Member, Origin, RankingDisagreement
from labelapp.quality.ratios import share_with_interval
from labelapp.rendering.charts import Axis, Chart, Point, Reference, Series, axis_over
from labelapp.templatetags.figures import decimal, duration, percent, thousands
from labelapp.templatetags.figures import points as points_of

WEEKS = 12  # shown, the last ones


@dataclass(frozen=True)
class Week:
    """A week of a labeller, from its Monday on."""

    monday: date
    rankings: int = 0
    days: int = 0  # with a ranking
    median_seconds: float | None = None
    agreement: float | None = None  # share of comparisons with the others ordered alike
    low: float | None = None
    high: float | None = None
    comparisons: int = 0

    @property
    def per_day(self) -> float | None:
        """Return the rankings per day on which there were any."""
        return self.rankings / self.days if self.days else None


def by_week(member: Member) -> list[Week]:
    """Return the last weeks of a labeller, also those without a ranking, in three queries."""
    this_monday = monday(timezone.localdate())
    first = this_monday - timedelta(weeks=WEEKS - 1)
    since = timezone.make_aware(datetime.combine(first, datetime.min.time()))
    made = work(member, since)
    seconds = medians(member, since)
    shares = agreements(member, since)
    weeks = []
    for week in (first + timedelta(weeks=number) for number in range(WEEKS)):
        agreement, low, high, comparisons = shares.get(week, (None, None, None, 0))
        rankings, days = made.get(week, (0, 0))
        weeks.append(
            Week(week, rankings, days, seconds.get(week), agreement, low, high, comparisons)
        )
    return weeks


def monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def monday_of(weeks_ago: int) -> date:
    return monday(timezone.localdate()) - timedelta(weeks=weeks_ago)


def week_of(moment: str) -> Case:
    """Return how many weeks ago a column lies, of the last WEEKS.

    By comparisons, because SQLite would call a function of Python's for each row to truncate it.
    """
    starts = [
        timezone.make_aware(datetime.combine(monday_of(ago), datetime.min.time()))
        for ago in range(WEEKS)
    ]
    whens = [When(**{f"{moment}__gte": start}, then=Value(ago)) for ago, start in enumerate(starts)]
    return Case(*whens, default=Value(WEEKS), output_field=IntegerField())


def work(member: Member, since: datetime) -> dict[date, tuple[int, int]]:
    """Return the rankings of each week that were made here, and the days on which they were."""
    ranked = member.assignments.ranked().filter(submitted_at__gte=since)
    rows = ranked.annotate(week=week_of("submitted_at"), day=TruncDate("submitted_at"))
    return {
        monday_of(week): (rankings, days)
        for week, rankings, days in rows.values("week")
        .annotate(rankings=Count("pk"), days=Count("day", distinct=True))
        .values_list("week", "rankings", "days")
    }


def medians(member: Member, since: datetime) -> dict[date, float]:
    """Return the median time per ranking of each week. The database selects the middle."""
    timed = member.rankings.filter(
        is_current=True, origin=Origin.HERE, seconds__isnull=False, created_at__gte=since
    ).annotate(week=week_of("created_at"))
    middle = timed.annotate(
        twice=2 * Window(RowNumber(), partition_by="week", order_by="seconds"),
        count=Window(Count("pk"), partition_by="week"),
    ).filter(twice__gte=F("count"), twice__lte=F("count") + 2)
    found: dict[date, list[float]] = {}
    for week, seconds in middle.values_list("week", "seconds"):
        found.setdefault(monday_of(week), []).append(seconds or 0.0)
    return {week: sum(values) / len(values) for week, values in found.items()}


Agreed = tuple[float | None, float | None, float | None, int]  # value, ends, comparisons


def agreements(member: Member, since: datetime) -> dict[date, Agreed]:
    """Return the agreement with the others of each week, with its interval and comparisons."""
    counts = RankingDisagreement.objects.filter(
        member=member,
        ranking__created_at__gte=since,
        ranking__prompt__project=member.project_id,
    )
    rows = (
        counts.annotate(week=week_of("ranking__created_at"))
        .values("week")
        .annotate(
            rankings=Count("pk"),
            whole=Sum("comparisons"),
            disagreed=Sum("against"),
            whole_squared=Sum(F("comparisons") * F("comparisons")),
            against_squared=Sum(F("against") * F("against")),
            product=Sum(F("comparisons") * F("against")),
        )
        .values_list(
            "week", "rankings", "whole", "disagreed", "whole_squared", "against_squared", "product"
        )
    )
    return {monday_of(week): share(*sums) for week, *sums in rows}


def share(
    rankings: int, whole: int, against: int, whole_squared: int, against_squared: int, product: int
) -> Agreed:
    """Return the share of comparisons that are not against, given sums over rankings."""
    differs, low, high = share_with_interval(
        rankings, against, whole, against_squared, whole_squared, product
    )
    if low is None or high is None:
        return 1 - differs, None, None, whole
    return 1 - differs, 1 - high, 1 - low, whole


# ---- charts ----


def plots(weeks: Sequence[Week]) -> list[Chart]:
    """Return the charts of the figures that some week has."""
    found = [agreement_plot(weeks), time_plot(weeks), rankings_plot(weeks)]
    return [plot for plot in found if plot is not None]


def agreement_plot(weeks: Sequence[Week]) -> Chart | None:
    points = [
        Point(place, 100 * week.agreement, in_percent(week.low), in_percent(week.high))
        for place, week in enumerate(weeks)
        if week.agreement is not None
    ]
    if not points:
        return None
    ends = [end for point in points for end in (point.y, point.low, point.high) if end is not None]
    return Chart(
        key="plot-agreement",
        kind="dots",
        title=_("Agreement with the others"),
        sentence=_(
            "Share of comparisons ordered as another labeller does, with its %(level)s interval."
        )
        % {"level": percent(0.95, 0)},
        x=week_axis(weeks),
        y=axis_over(Axis(_("agreement"), "%", decimals=1), [50.0, *ends]),
        series=[Series("", points)],
        references=[Reference(_("chance level"), 50)],
        columns=[_("Week of"), _("Agreement"), _("Interval"), _("Comparisons")],
        rows=[
            [
                written(week.monday),
                percent(week.agreement),
                "–" if week.low is None else f"{points_of(week.low)}–{points_of(week.high)}",
                thousands(week.comparisons),
            ]
            for week in weeks
            if week.agreement is not None
        ],
    )


def time_plot(weeks: Sequence[Week]) -> Chart | None:
    points = [
        Point(place, week.median_seconds, text=duration(week.median_seconds))
        for place, week in enumerate(weeks)
        if week.median_seconds is not None
    ]
    if not points:
        return None
    return Chart(
        key="plot-time",
        kind="dots",
        title=_("Time per ranking"),
        sentence=_("Median of the working time, without breaks."),
        x=week_axis(weeks),
        y=axis_over(Axis(_("median"), "s"), [0.0, *(point.y for point in points)]),
        series=[Series("", points)],
        columns=[_("Week of"), _("Median time")],
        rows=[
            [written(week.monday), duration(week.median_seconds)]
            for week in weeks
            if week.median_seconds is not None
        ],
    )


def rankings_plot(weeks: Sequence[Week]) -> Chart | None:
    points = [
        Point(place, week.per_day)
        for place, week in enumerate(weeks)
        if week.per_day is not None
    ]  # fmt: skip
    if not points:
        return None
    return Chart(
        key="plot-pace",
        kind="dots",
        title=_("Rankings per day"),
        sentence=_("On the days on which they ranked."),
        x=week_axis(weeks),
        y=axis_over(Axis(_("rankings"), decimals=1), [0.0, *(point.y for point in points)]),
        series=[Series("", points)],
        columns=[_("Week of"), _("Rankings"), _("Days"), _("Per day")],
        rows=[
            [
                written(week.monday),
                thousands(week.rankings),
                thousands(week.days),
                decimal(week.per_day, 1),
            ]
            for week in weeks
            if week.per_day is not None
        ],
    )


def week_axis(weeks: Sequence[Week]) -> Axis:
    return Axis(_("week of"), names=[written(week.monday) for week in weeks])


def in_percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def written(day: date) -> str:
    return date_format(day, "MONTH_DAY_FORMAT")
