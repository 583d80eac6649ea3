"""The acts of labellers as the views carry them out: with the member and assignments locked."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from labelapp.labelling import assignments, submissions
from labelapp.labelling.ranking_input import RankingInput
from labelapp.models import Assignment, Member, Ranking


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
