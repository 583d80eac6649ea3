"""The acts of labellers as the views carry them out: with the member and assignments locked."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.utils import timezone

from labelapp.labelling import assignments, submissions
from labelapp.labelling.ranking_input import RankingInput
from labelapp.models import Assignment, Member, Prompt, Ranking

ABCD = {"A": 1, "B": 2, "C": 3, "D": 4}
DCBA = {"A": 4, "B": 3, "C": 2, "D": 1}


@contextmanager
def locked(assignment: Assignment) -> Iterator[Assignment]:
    """Lock an assignment and its labeller, and yield the assignment as it is then."""
    member = assignment.member
    with assignments.turn(member):
        found = assignments.lock_assignments(member, assignment.token)
        yield next(one for one in found if one == assignment)


def submit(
    *,
    assignment: Assignment,
    entered: RankingInput,
    key: uuid.UUID | None = None,
    seconds: float = 0,
) -> Ranking:
    with locked(assignment) as own:
        return submissions.submit(assignment=own, entered=entered, key=key, seconds=seconds)


def skip(*, assignment: Assignment, reason: str, note: str = "") -> None:
    with locked(assignment) as own:
        submissions.skip(assignment=own, reason=reason, note=note)


def reopen(assignment: Assignment) -> Assignment:
    with locked(assignment) as own:
        submissions.reopen(own)
    return own


def save_draft(assignment: Assignment, entered: RankingInput, seconds: float = 0) -> None:
    with locked(assignment) as own:
        submissions.save_draft(own, entered, seconds)


def claim(member: Member) -> Assignment | None:
    with assignments.turn(member):
        return assignments.claim(member)


def task(member: Member) -> Assignment:
    assignment = assignments.current_assignment(member)
    assert assignment is not None
    return assignment


def ranked(member: Member) -> int:
    """Return how many tasks the member is counted to have ranked."""
    member.refresh_from_db()
    return member.ranked


def expire(assignment: Assignment) -> None:
    Assignment.objects.filter(pk=assignment.pk).update(
        expires_at=timezone.now() - timedelta(seconds=1)
    )


def rank_next(member: Member) -> Prompt:
    """Rank what the member is given, and return the prompt."""
    assignment = task(member)
    submit(assignment=assignment, entered=RankingInput(ABCD))
    return assignment.prompt
