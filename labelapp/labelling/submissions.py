"""Labelling: what a labeller says of a task, from the first draft to the version that stands.

Nothing is lost and nothing is doubled: a submit carries a key, and the same submit a second time
finds the ranking that the first one stored; an undo and an edit leave the earlier versions.
"""

import string
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from labelapp.db.sql import insert, insert_few
from labelapp.labelling import sql
from labelapp.labelling.assignments import free_slot, renew, show, take_slot, take_turn
from labelapp.labelling.controls import origin_of
from labelapp.labelling.verdict import Verdict, dense, key_of, normal, says
from labelapp.models import (
    Assignment,
    Member,
    Origin,
    Placement,
    Ranking,
    Rating,
    Response,
    SkipReason,
    hash_responses,
)


class NotYoursError(Exception):
    """The task is lent to somebody else."""


@dataclass(frozen=True)
class Card:
    """A response as a labeller sees it: a letter by the shown order, and the text."""

    letter: str
    response: Response


def cards(assignment: Assignment) -> list[Card]:
    """The assignment's responses in the order shown, lettered A, B, C, ..."""
    lettered = zip(string.ascii_uppercase, assignment.shown, strict=False)
    return [Card(letter, response) for letter, response in lettered]


def letters(assignment: Assignment) -> list[str]:
    return list(string.ascii_uppercase[: len(assignment.order)])


def find_assignment(member: Member, token: uuid.UUID) -> Assignment:
    """The member's task with this token.

    Raises Assignment.DoesNotExist where the project has no such task, NotYoursError where it is
    lent to somebody else.
    """
    assignment = sql.find_task(member, token)
    if assignment is None:
        Assignment.objects.get(token=token, prompt__project_id=member.project_id)
        raise NotYoursError
    assignment.member = member
    return assignment


def keep_draft(assignment: Assignment, verdict: Verdict, seconds: float = 0) -> None:
    """Remember what was entered, for when the page comes up again. Not after the submit."""
    assignment.draft = verdict.to_json()
    assignment.seconds = at_work(assignment, seconds)
    Assignment.objects.open().filter(pk=assignment.pk).update(
        draft=assignment.draft, seconds=assignment.seconds
    )


def at_work(assignment: Assignment, seconds: float) -> float:
    """Seconds of work on a task: what its page counted, but no more than have passed."""
    passed = (timezone.now() - assignment.created_at).total_seconds()
    return max(0.0, assignment.seconds, min(seconds, passed))


def submit(
    *, assignment: Assignment, verdict: Verdict, key: uuid.UUID | None = None, seconds: float = 0
) -> Ranking:
    """Store the verdict on an assignment.

    Gaps in the ranks close: 1, 1, 4 are stored as 1, 1, 2. The same submit again, or another one
    that says the same, stores nothing and gives back the ranking that is there; another verdict
    adds a version of it. When the prompt's slots have gone to others since the lease ran out, the
    ranking is kept and marked as surplus, and so is that of a control.
    Raises ValueError unless every shown response, and nothing else, has a rank.
    """
    if sorted(verdict.ranks) != letters(assignment):
        raise ValueError(f"expected ranks for {letters(assignment)}, got {sorted(verdict.ranks)}")
    responses_hash = shown_hash(assignment)
    key = key_of(key, verdict, again=assignment.repeat)
    with transaction.atomic(savepoint=False):  # nobody goes on after half of it
        # The second of two simultaneous submits waits here, and then sees the first.
        take_turn(assignment.member)
        locked = lock(assignment)
        versions = versions_of(locked, responses_hash)
        if (ranking := same_submit(versions, key)) is not None:
            return ranking
        seconds = at_work(locked, seconds)
        ranking = record(locked, responses_hash, versions, verdict, key, seconds)
        if locked.submitted_at is None:
            count_ranked(locked.member, 1)
        sql.store_submit(locked, seconds)
    return ranking


def lock(assignment: Assignment) -> Assignment:
    """The task as it is now, held for the transaction of a member who has taken their turn."""
    locked = sql.locked_task(assignment.pk)
    locked.member = assignment.member
    return locked


def versions_of(assignment: Assignment, responses_hash: str) -> list[Ranking]:
    """What the labeller has said of the responses that a task shows, the newest last."""
    return sql.versions(assignment.prompt_id, assignment.member_id, responses_hash)


def shown_hash(assignment: Assignment) -> str:
    """Of the set of responses that a task shows."""
    return hash_responses(sql.content_hashes(assignment.order))


def current(assignment: Assignment, versions: Sequence[Ranking]) -> Ranking | None:
    """Which of them is what the labeller says of a task.

    Of a repeated one the newest that was ranked again, as long as that is not undone: those are
    never current, because the labeller's first ranking is.
    """
    origin = origin_of(assignment)
    if origin == Origin.REPEATED:
        again = [ranking for ranking in versions if ranking.origin == origin]
        return again[-1] if again and assignment.submitted_at is not None else None
    own = (ranking for ranking in versions if ranking.origin != Origin.ADJUDICATED)
    return next((ranking for ranking in own if ranking.is_current), None)


def same_submit(versions: Sequence[Ranking], key: uuid.UUID | None) -> Ranking | None:
    return next((ranking for ranking in versions if key and ranking.key == key), None)


def record(
    assignment: Assignment,
    responses_hash: str,
    versions: Sequence[Ranking],
    verdict: Verdict,
    key: uuid.UUID | None,
    seconds: float,
) -> Ranking:
    """Write a ranking with its placements and ratings, unless the current one says the same."""
    by_letter = letters_of(assignment)
    before = current(assignment, versions)
    if before is not None and says(before, by_letter) == normal(verdict):
        return before
    surplus = assignment.slot is None and (
        assignment.is_control
        or assignment.submitted_at is not None
        # Handed on, but perhaps nobody has taken the slot yet.
        or not take_slot(assignment.prompt, assignment)
    )
    if before is not None:
        Ranking.objects.filter(pk=before.pk).update(is_current=False)
    ranking = Ranking(
        prompt_id=assignment.prompt_id,
        member_id=assignment.member_id,
        responses_hash=responses_hash,
        version=versions[-1].version + 1 if versions else 1,
        is_current=not assignment.repeat,
        origin=origin_of(assignment),
        surplus=surplus,
        seconds=seconds or None,
        all_bad=verdict.all_bad,
        note=verdict.note,
        key=key,
    )
    insert(ranking)
    insert_few(
        Placement,
        ("ranking", "response", "rank"),
        [(ranking.pk, by_letter[letter], rank) for letter, rank in dense(verdict.ranks).items()],
    )
    Rating.objects.bulk_create(
        Rating(
            ranking=ranking,
            response_id=by_letter[letter],
            score=verdict.scores.get(letter),
            flags=list(verdict.flags.get(letter, ())),
        )
        for letter in sorted({*verdict.scores, *verdict.flags})
    )
    return ranking


def letters_of(assignment: Assignment) -> dict[str, int]:
    """The response that stands behind each letter."""
    return dict(zip(letters(assignment), assignment.order, strict=True))


def current_verdict(assignment: Assignment) -> Verdict | None:
    """What the labeller's stored ranking of a task says; None where there is none."""
    ranking = current(assignment, versions_of(assignment, shown_hash(assignment)))
    by_letter = letters_of(assignment)
    return None if ranking is None else says(ranking, by_letter)


def skip(*, assignment: Assignment, reason: str, note: str = "") -> None:
    """Give a task to others. What was entered stays, for an undo. Nothing where it is ranked.

    Raises ValueError for a reason that is none.
    """
    if reason not in SkipReason.values:
        raise ValueError(f"{reason!r} is no reason to skip")
    with transaction.atomic():
        take_turn(assignment.member)
        locked = lock(assignment)
        if locked.submitted_at is not None:
            return
        free_slot(locked)
        Assignment.objects.filter(pk=locked.pk).update(
            skipped_at=locked.skipped_at or timezone.now(), skip_reason=reason, skip_note=note
        )


def reopen(assignment: Assignment) -> Assignment:
    """Undo a submit or a skip: the task is as it was before, in front of its labeller.

    A ranking that was stored stays as an earlier version and counts no longer.
    """
    with transaction.atomic():
        take_turn(assignment.member)
        locked = lock(assignment)
        if not locked.member.is_active:
            return locked  # removed in the meantime: what they have ranked stays
        if locked.submitted_at is not None:
            withdraw(locked)
        elif locked.skipped_at is not None:
            locked.skipped_at, locked.skip_reason, locked.skip_note = None, "", ""
            locked.save(update_fields=["skipped_at", "skip_reason", "skip_note"])
        renew(locked, assignment.member)
        show(locked)
    return locked


def withdraw(assignment: Assignment) -> None:
    """Take a submitted ranking back into the draft of its task, which keeps its slot."""
    ranking = current(assignment, versions_of(assignment, shown_hash(assignment)))
    if ranking is not None:
        by_letter = letters_of(assignment)
        assignment.draft = says(ranking, by_letter).to_json()
        Ranking.objects.filter(pk=ranking.pk).update(is_current=False)
    assignment.submitted_at = None
    assignment.save(update_fields=["draft", "submitted_at"])
    count_ranked(assignment.member, -1)


def count_ranked(member: Member, more: int) -> None:
    """Count for a member who has taken their turn, and so has the count as it is now."""
    member.ranked += more
    sql.store_count(member)


def ranked_by(member: Member) -> QuerySet[Assignment]:
    """The member's ranked tasks, the newest first."""
    return (
        Assignment.objects.ranked()
        .filter(member_id=member.pk)
        .select_related("prompt")
        .order_by("-submitted_at")
    )


def skipped_by(member: Member) -> QuerySet[Assignment]:
    """The member's skipped tasks, the newest first."""
    skipped = Assignment.objects.filter(member_id=member.pk, skipped_at__isnull=False)
    return skipped.select_related("prompt").order_by("-skipped_at")
