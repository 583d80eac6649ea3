"""Return rankings to their labeller, who has each in front of them again, as they left it."""

from datetime import timedelta

from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from labelapp.labelling.assignments import LOCKED_ASSIGNMENTS, renew, show, turn
from labelapp.labelling.submissions import withdraw
from labelapp.models import Assignment, Event, Member, Origin, Prompt, Ranking, User
from labelapp.notifications.telling import tell_of_tasks

HELD_FOR = timedelta(days=7)  # for a labeller who is away; then others may get the prompt


class CannotReturnError(Exception):
    """The labeller could not rank anything: they have left, or are left out."""


def can_rank(member: Member) -> bool:
    """Return whether a member can sign in, and their rankings count."""
    signs_in = member.user is not None and member.user.is_active
    return member.is_active and signs_in and member.excluded_from is None


def returnable(member: Member, prompts: QuerySet[Prompt]) -> QuerySet[Assignment]:
    """Return the assignments of a member whose ranking can be returned.

    Not what measures them, which would tell that it does, and not what others are measured by.
    """
    own = Ranking.objects.filter(prompt=OuterRef("prompt"), member=OuterRef("member"))
    current = own.filter(is_current=True, origin=Origin.HERE)
    ranked = LOCKED_ASSIGNMENTS.ranked().filter(member=member, gold=False, repeat=False)
    return ranked.filter(
        Exists(current),
        ~Exists(own.filter(is_gold=True)),
        prompt__in=prompts.order_by().values("pk"),
    )


def return_rankings(*, member: Member, prompts: QuerySet[Prompt], by: User) -> int:
    """Return a member's rankings of prompts to them, and tell them. Return how many there were.

    A ranking stays as an earlier version and counts no longer; the labeller begins with it. Raises
    CannotReturnError if the labeller could not rank it again.
    """
    with turn(member):
        member.refresh_from_db(fields=["excluded_from", "user"])
        if not can_rank(member):
            raise CannotReturnError
        found = list(returnable(member, prompts).order_by("prompt_id"))
        now = timezone.now()
        for assignment in found:
            assignment.member = member
            withdraw(assignment, assignment.submitted_at or now)
            renew(assignment)
            show(assignment)
            assignment.expires_at = now + HELD_FOR
            assignment.save(update_fields=["expires_at"])
        if found:
            key = f"returned-{member.pk}-{now.isoformat()}"
            counts = {member.pk: len(found)}
            tell_of_tasks(member.project, Event.TASK_RETURNED, key=key, counts=counts, by=by)
    return len(found)
