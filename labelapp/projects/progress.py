"""Progress: how far a campaign is, by whom, and when it will be done.

Everything is counted by the database, in a number of queries that does not depend on the project.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import Count, F, Max, Q, QuerySet, Sum, Window
from django.db.models.functions import RowNumber, TruncDate
from django.utils import timezone

from labelapp.db.cache import Kept, kept
from labelapp.models import Assignment, Member, Origin, Project, Prompt, Ranking, Role

DAYS = 30  # that the chart shows
FORECAST_DAYS = 7  # with work, that the forecast goes by
FURTHEST = 3650  # days ahead; beyond, a date would pretend to know
OPEN_SHOWN = 50  # open tasks listed

HELD = Q(submitted_at=None, skipped_at=None, slot__isnull=False)
CONTROL = Q(gold=True) | Q(repeat=True)
IN_HAND = HELD | CONTROL & Q(submitted_at=None, skipped_at=None, taken_back=False)


@dataclass(frozen=True)
class Standing:
    """A campaign in prompts and in rankings."""

    prompts: int  # all, queued or not
    done: int
    in_work: int
    left: int
    rankings_wanted: int
    rankings_made: int  # of those wanted; surplus and imported ones are beside them
    open_tasks: int

    @property
    def queued(self) -> int:
        return self.done + self.in_work + self.left

    @property
    def rankings_left(self) -> int:
        return self.rankings_wanted - self.rankings_made


def standing(project: Project) -> Standing:
    """Done is a prompt that needs nobody and that nobody holds; in work is one that is held."""
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
    return Standing(
        prompts=counts["prompts"],
        done=counts["full"] - held["full"],
        in_work=held["prompts"],
        left=counts["waiting"] - (held["prompts"] - held["full"]),
        rankings_wanted=counts["wanted"],
        rankings_made=counts["wanted"] - counts["needed"] - held["slots"],
        open_tasks=held["slots"],
    )


def held_in(project: Project) -> QuerySet[Assignment]:
    """The project's open tasks that hold a slot of their prompt.

    By their members, who are few: the open tasks of each are an index, the finished ones are not
    read.
    """
    return Assignment.objects.filter(HELD, member__project=project)


@dataclass(frozen=True)
class Day:
    day: date
    rankings: int  # submitted on it
    wanted: int  # of those, the ones that were wanted: not surplus


def today() -> date:
    return timezone.localdate()


def per_day(project: Project) -> list[Day]:
    """Rankings by the day of their submit, the last DAYS days with the empty ones."""
    days = [today() - timedelta(days=ago) for ago in reversed(range(DAYS))]
    since = timezone.make_aware(datetime.combine(days[0], datetime.min.time()))
    ranked = Assignment.objects.ranked().filter(member__project=project, submitted_at__gte=since)
    made = {
        row["day"]: (row["rankings"], row["wanted"])
        for row in ranked.annotate(day=TruncDate("submitted_at"))
        .values("day")
        .annotate(rankings=Count("pk"), wanted=Count("slot"))
    }
    return [Day(day, *made.get(day, (0, 0))) for day in days]


@dataclass(frozen=True)
class Forecast:
    """When everything is ranked; without a date, the reason why none can be said."""

    day: date | None = None
    rankings: int = 0  # made in `over` days: what the date goes by
    over: int = 0
    worked: int = 0  # days of those on which somebody ranked
    why_not: str = ""


def forecast(*, standing: Standing, days: Sequence[Day], paused: bool) -> Forecast:
    """The day on which all is done, at the rate of the last days with work.

    The rate is per calendar day from the first of those days until yesterday, so that days off
    count as they come; today is not over, and does not count.
    """
    worked = [day for day in days[:-1] if day.wanted][-FORECAST_DAYS:]
    if standing.rankings_left <= 0:
        return Forecast(why_not="done" if standing.rankings_wanted else "nothing wanted")
    if paused:
        return Forecast(why_not="paused")
    if not worked:
        return Forecast(why_not="no day yet")
    rankings = sum(day.wanted for day in worked)
    over = (days[-1].day - worked[0].day).days
    ahead = math.ceil(standing.rankings_left * over / rankings)
    found = Forecast(rankings=rankings, over=over, worked=len(worked))
    if ahead > FURTHEST:
        return replace(found, why_not="too far")
    return replace(found, day=days[-1].day + timedelta(days=ahead))


@dataclass(frozen=True)
class Person:
    """What one member has done."""

    member: Member
    today: int
    skipped: int
    in_hand: int  # tasks open, controls among them
    median_seconds: float | None  # at work on a ranking
    last_active: datetime | None


def people(project: Project) -> list[Person]:
    """Who ranks in a project: its labellers, and whoever else has ranked or has a task."""
    midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    rows: Mapping[int, Mapping[str, Any]] = {
        row["member"]: row
        for row in Assignment.objects.filter(member__project=project)
        .values("member")
        .annotate(
            today=Count("pk", filter=Q(submitted_at__gte=midnight)),
            skipped=Count("pk", filter=Q(skipped_at__isnull=False)),
            in_hand=Count("pk", filter=IN_HAND),
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
    return [person(member, rows.get(member.pk, {}), seconds.get(member.pk)) for member in members]


def person(member: Member, row: Mapping[str, Any], seconds: float | None) -> Person:
    times = (row.get(f"last_{what}") for what in ("submitted", "skipped", "shown"))
    return Person(
        member=member,
        today=row.get("today", 0),
        skipped=row.get("skipped", 0),
        in_hand=row.get("in_hand", 0),
        median_seconds=seconds,
        last_active=max((time for time in times if time), default=None),
    )


def median_seconds(project: Project) -> dict[int, float]:
    """The median time at work on a ranking, by member. The database picks out the middle ones."""
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
    found: dict[int, list[float]] = {}
    for member, seconds in middle:
        found.setdefault(member, []).append(seconds or 0.0)
    return {member: sum(values) / len(values) for member, values in found.items()}


@dataclass(frozen=True)
class Counted:
    """What is counted of a campaign."""

    standing: Standing
    days: list[Day]
    people: list[Person]

    @property
    def rows(self) -> int:
        ranked = sum(person.member.ranked for person in self.people)
        return self.standing.prompts + self.standing.rankings_wanted + ranked


def counted(project: Project) -> Kept[Counted]:
    """How far a campaign is; of a very large one, how far it was less than a minute ago."""

    def count() -> Counted:
        return Counted(standing(project), per_day(project), people(project))

    return kept(f"progress-{project.pk}", count, lambda found: found.rows)


def open_tasks(project: Project) -> QuerySet[Assignment]:
    """Return OPEN_SHOWN assignments that are held now at most, by the end of their leases."""
    held = held_in(project).select_related("prompt", "member")
    return held.order_by("expires_at", "pk")[:OPEN_SHOWN]


def set_paused(*, project: Project, paused: bool) -> None:
    """While a project is paused nobody gets a new prompt; what is begun can be finished."""
    Project.objects.filter(pk=project.pk).update(paused=paused)
