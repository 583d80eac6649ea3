"""A labeller's own progress: what they have ranked, and what they are told of what waits."""

from dataclasses import dataclass
from datetime import datetime

from django.core.cache import cache
from django.utils import timezone

from labelapp.labelling import queue
from labelapp.models import Assignment, Member

# How many waiting prompts are counted for a labeller. Past that, "more than" says enough.
COUNTED = 100
# Where a labeller may get controls, a number below this is not shown to them.
FEW = 5
MANY_WAIT_SECONDS = 30  # for which a page relies on an earlier count that came to COUNTED


@dataclass(frozen=True)
class OwnProgress:
    """Count the prompts that a labeller has ranked and can still rank."""

    done: int  # ranked by this member
    today: int
    left: int  # could be given to this member, beside what is assigned to them; to COUNTED
    some_left: bool = False  # but a labeller is not told how many

    @property
    def many_left(self) -> bool:
        return self.left >= COUNTED


@dataclass(frozen=True)
class Waiting:
    """The number of waiting prompts, as a labeller is shown it."""

    number: int  # to COUNTED
    some: bool = False  # and the number says nothing

    @property
    def many(self) -> bool:
        return self.number >= COUNTED

    def __bool__(self) -> bool:
        return self.number > 0


def tell(member: Member, waits: queue.Waits, begun: int = 0) -> Waiting:
    """Return the number of prompts, begun or waiting, that a labeller is shown.

    A quality control lowers the number by one as any other task does, because it could otherwise be
    recognised. Over a day the number could therefore reach zero while prompts still wait, so small
    numbers are not shown. Each day starts with the true number again.
    """
    controls = waits.controls or member.project.gold_share or member.project.repeat_share
    number = max(0, waits.prompts - waits.controls)
    if controls and waits.prompts and number < FEW:
        return Waiting(1, some=True)
    return Waiting(min(begun + number, COUNTED))


def progress(member: Member, *, roughly: bool = False) -> OwnProgress:
    """Return the member's own progress, at a cost that does not grow with the project.

    With `roughly`, an earlier count of many waiting prompts is reused for a while.
    """
    left = left_for(member, roughly=roughly)
    return OwnProgress(member.ranked, ranked_today(member), left.number, left.some)


def ranked_today(member: Member) -> int:
    """Return how many prompts the member has ranked today."""
    if member.ranked_on == timezone.localdate():
        return member.ranked_that_day
    if member.ranked_on is not None or not member.ranked:
        return 0
    # Not counted by the day yet: ranked with an earlier version, or imported.
    ranked = Assignment.objects.ranked().filter(member=member, submitted_at__gte=queue.midnight())
    return ranked.count()


def count_ranked(member: Member, submitted_at: datetime, change: int) -> None:
    """Count a ranking of a locked member that is about to be stored (1) or withdrawn (-1)."""
    today = timezone.localdate()
    if timezone.localdate(submitted_at) == today:
        member.ranked_that_day = ranked_today(member) + change
        member.ranked_on = today
    member.ranked += change


def left_for(member: Member, *, roughly: bool) -> Waiting:
    """Return how many prompts could be given to the member, counted to COUNTED."""
    many = f"many-wait-{member.pk}"
    if roughly and cache.get(many):
        return Waiting(COUNTED)
    left = tell(member, queue.count(member, COUNTED))
    if left.many:
        cache.set(many, True, MANY_WAIT_SECONDS)
    return left


def waiting_for(member: Member) -> Waiting:
    """Return how many prompts the member has begun or could be given, counted to COUNTED."""
    begun = Assignment.objects.held().filter(member=member).count()
    if member.project.paused:
        return Waiting(min(begun, COUNTED))
    return tell(member, queue.count(member, COUNTED), begun)
