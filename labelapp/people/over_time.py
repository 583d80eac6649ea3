"""A labeller's figures by week: agreement with the others, time per ranking, rankings per day."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import chain

from django.db.models import Case, Count, F, IntegerField, Sum, Value, When, Window
from django.db.models.functions import RowNumber, TruncDate
from django.utils import timezone
from django.utils.formats import date_format

from labelapp.models import Member, Origin, RankingDisagreement
from labelapp.quality.ratios import share_with_interval
from labelapp.rendering.plots import Axis, Mark, Plot, axis_of
from labelapp.templatetags.figures import duration, percent, points, thousands

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
    counts = RankingDisagreement.objects.filter(member=member, ranking__created_at__gte=since)
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


# ---- plots ----


def plots(weeks: Sequence[Week]) -> list[Plot]:
    """Return the plots of the figures that some week has."""
    found = [agreement_plot(weeks), time_plot(weeks), rankings_plot(weeks)]
    return [plot for plot in found if plot is not None]


def agreement_plot(weeks: Sequence[Week]) -> Plot | None:
    values = [in_percent(week.agreement) for week in weeks]
    spans = [(in_percent(week.low), in_percent(week.high)) for week in weeks]
    ends = [end for end in (*values, *chain(*spans)) if end is not None]
    if not ends:
        return None
    return plot_of(
        weeks,
        name="agreement",
        title="Agreement with the others",
        sentence="Share of comparisons ordered as another labeller does, with its"
        f" {percent(0.95, 0)} interval. 50 is chance.",
        y_label="% of comparisons",
        axis=axis_of([50.0, *ends]),
        values=values,
        spans=spans,
        columns=["Week of", "Agreement", "Interval", "Comparisons"],
        rows=[
            [
                written(week.monday),
                percent(week.agreement),
                "–" if week.low is None else f"{points(week.low)}–{points(week.high)}",
                thousands(week.comparisons),
            ]
            for week in weeks
            if week.agreement is not None
        ],
    )


def time_plot(weeks: Sequence[Week]) -> Plot | None:
    values = [week.median_seconds for week in weeks]
    known = [seconds for seconds in values if seconds is not None]
    if not known:
        return None
    return plot_of(
        weeks,
        name="time",
        title="Time per ranking",
        sentence="Median of the working time, without breaks.",
        y_label="seconds",
        axis=axis_of([0.0, *known]),
        values=values,
        columns=["Week of", "Median time"],
        rows=[
            [written(week.monday), duration(week.median_seconds)]
            for week in weeks
            if week.median_seconds is not None
        ],
    )


def rankings_plot(weeks: Sequence[Week]) -> Plot | None:
    values = [week.per_day for week in weeks]
    known = [value for value in values if value is not None]
    if not known:
        return None
    return plot_of(
        weeks,
        name="pace",
        title="Rankings per day",
        sentence="On the days on which they ranked.",
        y_label="rankings",
        axis=axis_of([0.0, *known]),
        values=values,
        columns=["Week of", "Rankings", "Days", "Per day"],
        rows=[
            [
                written(week.monday),
                thousands(week.rankings),
                thousands(week.days),
                f"{week.per_day:.1f}",
            ]
            for week in weeks
            if week.per_day is not None
        ],
    )


def plot_of(
    weeks: Sequence[Week],
    *,
    name: str,
    title: str,
    sentence: str,
    y_label: str,
    axis: Axis,
    values: Sequence[float | None],
    columns: list[str],
    rows: list[list[str]],
    spans: Sequence[tuple[float | None, float | None]] = (),
) -> Plot:
    """Return a plot with a point for each week that has a value."""
    width = 100 / len(weeks)
    ends = spans or [(None, None)] * len(weeks)
    marks = [
        Mark(
            x=round((place + 0.5) * width, 2),
            y=round(100 - axis.percent(value), 2),
            low=None if low is None else round(100 - axis.percent(low), 2),
            high=None if high is None else round(100 - axis.percent(high), 2),
        )
        for place, (value, (low, high)) in enumerate(zip(values, ends, strict=True))
        if value is not None
    ]
    every = range(1, len(weeks), 3)  # in the middle of each quarter of the axis
    return Plot(
        name=name,
        title=title,
        sentence=sentence,
        x_label="week of",
        y_label=y_label,
        ticks_x=[written(weeks[number].monday) for number in every],
        ticks_y=axis.labels,
        grid=axis.grid,
        marks=marks,
        columns=columns,
        rows=rows,
        is_categorical=True,
    )


def in_percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def written(day: date) -> str:
    return date_format(day, "j M")
