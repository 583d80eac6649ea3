"""The progress of a campaign: its totals, its days, its labellers and a forecast.

The database does the counting, in a fixed number of queries.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from statistics import fmean, stdev
from typing import Any

from django.db.models import Count, F, Max, Q, QuerySet, Sum, Window
from django.db.models.functions import RowNumber, TruncDate
from django.utils import timezone

from labelapp.db.cache import Cached, cached
from labelapp.models import Assignment, Member, Origin, Project, Prompt, Ranking, Role

DAYS = 30  # that are counted
FORECAST_DAYS = 7  # days with rankings, on which the forecast is based
MAX_DAYS_AHEAD = 3650  # of a forecast; a later date would be meaningless
MIN_RANGE_DAYS = 4  # from the first of those days, for a range of the date
MAX_OPEN = 50  # open assignments in the list

HELD = Q(submitted_at=None, skipped_at=None, slot__isnull=False)
CONTROL = Q(gold=True) | Q(repeat=True)
OPEN = HELD | CONTROL & Q(submitted_at=None, skipped_at=None, taken_back=False)


@dataclass(frozen=True)
class Totals:
    """The numbers of prompts and rankings of a campaign."""

    prompts: int  # queued or not
    done: int
    in_progress: int
    waiting: int
    rankings_wanted: int
    rankings_made: int  # of those wanted, without surplus and imported ones
    open_assignments: int

    @property
    def queued(self) -> int:
        return self.done + self.in_progress + self.waiting

    @property
    def rankings_left(self) -> int:
        return self.rankings_wanted - self.rankings_made


def totals(project: Project) -> Totals:
    """Return the totals of a project.

    A prompt is in progress while a labeller holds a slot of it, and done when it needs no more
    labellers and none holds it.
    """
    counts = Prompt.objects.filter(project=project).aggregate(
        prompts=Count("pk"),
        full=Count("pk", filter=Q(rankings_wanted__gt=0, rankings_needed=0)),
        waiting=Count("pk", filter=Q(rankings_needed__gt=0)),
        wanted=Sum("rankings_wanted", default=0),
        needed=Sum("rankings_needed", default=0),
    )
    held = held_in(project).aggregate(
        slots=Count("pk"),
        prompts=Count("prompt", distinct=True),
        full=Count("prompt", distinct=True, filter=Q(prompt__rankings_needed=0)),
    )
    return Totals(
        prompts=counts["prompts"],
        done=counts["full"] - held["full"],
        in_progress=held["prompts"],
        waiting=counts["waiting"] - (held["prompts"] - held["full"]),
        rankings_wanted=counts["wanted"],
        rankings_made=counts["wanted"] - counts["needed"] - held["slots"],
        open_assignments=held["slots"],
    )


def held_in(project: Project) -> QuerySet[Assignment]:
    """Return the project's open assignments that hold a slot of their prompt.

    They are looked up by member: an index lists the open assignments of each, so that the finished
    ones are not read.
    """
    return Assignment.objects.filter(HELD, member__project=project)


@dataclass(frozen=True)
class Day:
    day: date
    rankings: int  # submitted on this day
    wanted: int  # without surplus rankings
    by_member: Mapping[int, int] = field(default_factory=dict)  # rankings by primary key


def today() -> date:
    return timezone.localdate()


def per_day(project: Project) -> list[Day]:
    """Return the rankings submitted on each of the last DAYS days."""
    days = [today() - timedelta(days=ago) for ago in reversed(range(DAYS))]
    since = timezone.make_aware(datetime.combine(days[0], datetime.min.time()))
    ranked = Assignment.objects.ranked().filter(member__project=project, submitted_at__gte=since)
    made: dict[date, list[tuple[int, int, int]]] = {}
    for day, member, rankings, wanted in (
        ranked.annotate(day=TruncDate("submitted_at"))
        .values("day", "member")
        .annotate(rankings=Count("pk"), wanted=Count("slot"))
        .values_list("day", "member", "rankings", "wanted")
    ):
        made.setdefault(day, []).append((member, rankings, wanted))
    return [day_of(day, made.get(day, [])) for day in days]


def day_of(day: date, made: Sequence[tuple[int, int, int]]) -> Day:
    """Return a day with its (member, rankings, wanted) rows."""
    return Day(
        day=day,
        rankings=sum(rankings for _, rankings, _ in made),
        wanted=sum(wanted for _, _, wanted in made),
        by_member={member: rankings for member, rankings, _ in made},
    )


@dataclass(frozen=True)
class Forecast:
    """The day on which everything will be ranked, or the reason why there is no forecast."""

    day: date | None = None
    earliest: date | None = None  # of 95 % of such paces, if enough days are known
    latest: date | None = None  # None although `earliest` is known: it may never be
    rankings: int = 0  # made in the last `over` days, on which the date is based
    over: int = 0
    worked: int = 0  # days among those with a ranking
    why_not: str = ""


def forecast(*, totals: Totals, days: Sequence[Day], paused: bool) -> Forecast:
    """Return when everything will be ranked, at the rate of the last days with rankings.

    The rate is per calendar day from the first of those days to yesterday, so that days off count.
    Today is incomplete and does not count.
    """
    worked = [day for day in days[:-1] if day.wanted][-FORECAST_DAYS:]
    if totals.rankings_left <= 0:
        return Forecast(why_not="done" if totals.rankings_wanted else "nothing wanted")
    if paused:
        return Forecast(why_not="paused")
    if not worked:
        return Forecast(why_not="no day yet")
    rankings = sum(day.wanted for day in worked)
    over = (days[-1].day - worked[0].day).days
    ahead = math.ceil(totals.rankings_left * over / rankings)
    undated = Forecast(rankings=rankings, over=over, worked=len(worked))
    if ahead > MAX_DAYS_AHEAD:
        return replace(undated, why_not="too far")
    earliest, latest = date_range(totals.rankings_left, days[:-1][-over:], days[-1].day)
    day = days[-1].day + timedelta(days=ahead)
    return replace(undated, day=day, earliest=earliest, latest=latest)


def date_range(
    left: int, days: Sequence[Day], today: date
) -> tuple[date, date | None] | tuple[None, None]:
    """Return between which days everything will be ranked: a 95 % interval of the pace.

    The pace is the mean over these days, with Student's t by its expansion in the normal quantile
    (Abramowitz and Stegun, 26.7.5). Fewer than MIN_RANGE_DAYS say too little.
    """
    if len(days) < MIN_RANGE_DAYS:
        return None, None
    made = [day.wanted for day in days]
    z, free = 1.96, len(days) - 1
    t = (
        z
        + (z**3 + z) / (4 * free)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * free**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * free**3)
    )
    mean, margin = fmean(made), t * stdev(made) / math.sqrt(len(made))
    earliest = today + timedelta(days=math.ceil(left / (mean + margin)))
    slowest = math.ceil(left / (mean - margin)) if mean > margin else MAX_DAYS_AHEAD + 1
    return earliest, today + timedelta(days=slowest) if slowest <= MAX_DAYS_AHEAD else None


@dataclass(frozen=True)
class LabellerProgress:
    """The work of one member."""

    member: Member
    today: int
    this_week: int  # in the last seven days
    skipped: int
    in_progress: int  # open assignments, quality controls included
    median_seconds: float | None  # of work on a ranking
    last_active: datetime | None


def labellers(project: Project) -> list[LabellerProgress]:
    """Return the work of the project's labellers, and of others who have had an assignment."""
    midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    rows: Mapping[int, Mapping[str, Any]] = {
        row["member"]: row
        for row in Assignment.objects.filter(member__project=project)
        .values("member")
        .annotate(
            today=Count("pk", filter=Q(submitted_at__gte=midnight)),
            this_week=Count("pk", filter=Q(submitted_at__gte=midnight - timedelta(days=6))),
            skipped=Count("pk", filter=Q(skipped_at__isnull=False)),
            in_progress=Count("pk", filter=OPEN),
            last_submitted=Max("submitted_at"),
            last_skipped=Max("skipped_at"),
            last_shown=Max("shown_at"),
        )
    }
    seconds = median_seconds(project)
    with_a_login = Q(user__isnull=False, is_active=True, role=Role.LABELLER)
    members = project.members.filter(with_a_login | Q(pk__in=list(rows))).order_by(
        "-ranked", "name"
    )
    return [
        labeller_progress(member, rows.get(member.pk, {}), seconds.get(member.pk))
        for member in members
    ]


def labeller_progress(
    member: Member, row: Mapping[str, Any], seconds: float | None
) -> LabellerProgress:
    times = (row.get(f"last_{what}") for what in ("submitted", "skipped", "shown"))
    return LabellerProgress(
        member=member,
        today=row.get("today", 0),
        this_week=row.get("this_week", 0),
        skipped=row.get("skipped", 0),
        in_progress=row.get("in_progress", 0),
        median_seconds=seconds,
        last_active=max((time for time in times if time), default=None),
    )


def median_seconds(project: Project) -> dict[int, float]:
    """Return the median time of work on a ranking by member. The database selects the middle."""
    timed = Ranking.objects.filter(
        member__project=project, is_current=True, origin=Origin.HERE, seconds__isnull=False
    )
    middle = (
        timed.annotate(
            twice=2 * Window(RowNumber(), partition_by="member", order_by="seconds"),
            count=Window(Count("pk"), partition_by="member"),
        )
        .filter(twice__gte=F("count"), twice__lte=F("count") + 2)
        .values_list("member", "seconds")
    )
    middles: dict[int, list[float]] = {}
    for member, seconds in middle:
        middles.setdefault(member, []).append(seconds or 0.0)
    return {member: sum(values) / len(values) for member, values in middles.items()}


@dataclass(frozen=True)
class CampaignProgress:
    """The progress of a campaign."""

    totals: Totals
    days: list[Day]
    labellers: list[LabellerProgress]

    @property
    def rows(self) -> int:
        ranked = sum(labeller.member.ranked for labeller in self.labellers)
        return self.totals.prompts + self.totals.rankings_wanted + ranked


def cached_progress(project: Project) -> Cached[CampaignProgress]:
    """Return the progress of a campaign; that of a very large one may be a minute old."""

    def count() -> CampaignProgress:
        return CampaignProgress(totals(project), per_day(project), labellers(project))

    return cached(f"progress-{project.pk}", count, lambda progress: progress.rows)


def open_assignments(project: Project) -> QuerySet[Assignment]:
    """Return at most MAX_OPEN assignments that are held now, the first to expire first."""
    held = held_in(project).select_related("prompt", "member")
    return held.order_by("expires_at", "pk")[:MAX_OPEN]


def set_paused(*, project: Project, paused: bool) -> None:
    """Pause or resume a project. While paused, labellers can only finish what they have started."""
    Project.objects.filter(pk=project.pk).update(paused=paused)
