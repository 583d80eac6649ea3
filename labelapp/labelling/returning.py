"""Return rankings to their labeller, who has each in front of them again, as they left it."""

from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from labelapp.labelling.assignments import (
    LOCKED_ASSIGNMENTS,
    LOCKED_OPEN,
    renew,
    show,
    turn,
)
from labelapp.labelling.submissions import current, restore, versions_of, withdraw
from labelapp.models import (
    Assignment,
    Event,
    Member,
    Origin,
    Prompt,
    Ranking,
    RankingReturn,
    User,
)
from labelapp.notifications import telling
from labelapp.web.query import key_of

HELD_FOR = timedelta(days=7)  # for a labeller who is away; then others may get the prompt


class CannotReturnError(Exception):
    """The labeller could not rank anything: they have left, or are left out."""


class RankedMeanwhileError(Exception):
    """The labeller has ranked or skipped all that was returned, or the return is undone already."""


def can_rank(member: Member) -> bool:
    """Return whether a member can sign in, and their rankings count."""
    signs_in = member.user is not None and member.user.is_active
    return member.is_active and signs_in and member.excluded_from is None


def returnable(assignments: QuerySet[Assignment]) -> QuerySet[Assignment]:
    """Return those of some assignments whose ranking can be returned.

    Not what measures them, which would tell that it does, and not what others are measured by.
    """
    own = Ranking.objects.filter(prompt=OuterRef("prompt"), member=OuterRef("member"))
    current = own.filter(is_current=True, origin=Origin.HERE)
    ranked = assignments.filter(submitted_at__isnull=False, gold=False, repeat=False)
    return ranked.filter(Exists(current), ~Exists(own.filter(is_gold=True)))


def returnable_rankings(viewer: Member, prompt: Prompt) -> set[int]:
    """Return the rankings of a prompt that a viewer can return now, by primary key."""
    if not viewer.manages:
        return set()
    of_prompt = returnable(Assignment.objects.filter(prompt=prompt))
    current = Ranking.objects.filter(
        prompt=prompt, is_current=True, origin=Origin.HERE, member__in=of_prompt.values("member")
    ).select_related("member__user")
    return {ranking.pk for ranking in current if can_rank(ranking.member)}


def just_returned(viewer: Member, number: str) -> RankingReturn | None:
    """Return what a manager has returned, by its number in an address, to offer an undo."""
    pk = key_of(number)
    if not viewer.manages or pk is None:
        return None
    made = RankingReturn.objects.filter(member__project=viewer.project, undone_at=None)
    return made.select_related("member").filter(pk=pk).first()


def return_rankings(*, member: Member, prompts: QuerySet[Prompt], by: User) -> RankingReturn | None:
    """Return a member's rankings of prompts to them, and tell them. None if there was none.

    A ranking stays as an earlier version and counts no longer; the labeller begins with it. Raises
    CannotReturnError if the labeller could not rank it again.
    """
    with turn(member):
        member.refresh_from_db(fields=["excluded_from", "user"])
        if not can_rank(member):
            raise CannotReturnError
        rows = []
        now = timezone.now()
        chosen = LOCKED_ASSIGNMENTS.filter(
            member=member, prompt__in=prompts.order_by().values("pk")
        )
        for assignment in returnable(chosen).order_by("prompt_id"):
            assignment.member = member
            submitted_at = assignment.submitted_at or now
            ranking = current(assignment, versions_of(assignment))
            if ranking is None:
                continue
            rows.append([ranking.pk, submitted_at.isoformat()])
            withdraw(assignment, submitted_at)
            renew(assignment)
            show(assignment)
            assignment.expires_at = now + HELD_FOR
            assignment.save(update_fields=["expires_at"])
        if not rows:
            return None
        returned = RankingReturn.objects.create(member=member, rows=rows, created_by=by)
        telling.tell_of_tasks(
            member.project,
            Event.TASK_RETURNED,
            key=told_key(returned),
            counts={member.pk: len(rows)},
            by=by,
        )
    return returned


def told_key(returned: RankingReturn) -> str:
    """Return the key by which a labeller is told of a return."""
    return f"returned-{returned.pk}"


def undo(returned: RankingReturn) -> int:
    """Make returned rankings count again as they were, and return their number.

    Those that the labeller has ranked again or skipped meanwhile stay as they are. Raises
    RankedMeanwhileError if these are all.
    """
    member = returned.member
    with turn(member):
        if not RankingReturn.objects.filter(pk=returned.pk, undone_at=None).exists():
            raise RankedMeanwhileError
        submitted = dict(returned.rows)
        rankings = Ranking.objects.in_bulk(list(submitted))
        prompts = {ranking.prompt_id for ranking in rankings.values()}
        mine = LOCKED_OPEN.filter(member=member, gold=False, repeat=False, prompt__in=prompts)
        number = 0
        for assignment in mine.order_by("prompt_id"):
            assignment.member = member
            newest = newest_own(assignment)
            if newest is not None and newest.pk in submitted:
                restore(assignment, newest, datetime.fromisoformat(submitted[newest.pk]))
                number += 1
        if not number:
            raise RankedMeanwhileError
        RankingReturn.objects.filter(pk=returned.pk).update(undone_at=timezone.now())
        telling.withdraw(member.project, told_key(returned))
    return number


def newest_own(assignment: Assignment) -> Ranking | None:
    """Return the newest version that the labeller gave of an assignment."""
    own = [one for one in versions_of(assignment) if one.origin != Origin.ADJUDICATED]
    return own[-1] if own else None
