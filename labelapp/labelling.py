"""Labelling: lend a prompt to a labeller, and store the verdict that comes back.

Nothing is lost and nothing is doubled: a prompt's slots are numbered and unique in the database, a
claim is one conditional write, and a second submit of the same task finds the first one's ranking.
"""

import random
import string
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from labelapp.models import (
    Assignment,
    Member,
    Placement,
    Prompt,
    Ranking,
    Response,
    hash_responses,
)

# Expired leases handed on at one claim: no labeller pays for a long absence of all.
RELEASE_AT_ONCE = 100


class NotYoursError(Exception):
    """The task is lent to somebody else."""


@dataclass(frozen=True)
class Card:
    """A response as a labeller sees it: a letter by the shown order, and the text."""

    letter: str
    response: Response


def cards(assignment: Assignment) -> list[Card]:
    """The assignment's responses in the order shown, lettered A, B, C, ..."""
    by_id = Response.objects.in_bulk(assignment.order)
    return [
        Card(letter, by_id[pk])
        for letter, pk in zip(string.ascii_uppercase, assignment.order, strict=False)
    ]


def letters(assignment: Assignment) -> list[str]:
    return list(string.ascii_uppercase[: len(assignment.order)])


def current_assignment(member: Member) -> Assignment | None:
    """What the member is to rank now: the task that is open, else a newly claimed one.

    None when every prompt of the project has, or is getting, the rankings it wants from others
    or has been ranked by this member.
    """
    # The usual case writes nothing, so that no page waits for whoever writes at length.
    fresh = open_assignments(member).filter(
        slot__isnull=False, expires_at__gt=timezone.now() + lease(member) / 2
    )
    if (assignment := fresh.first()) is not None:
        return assignment
    with transaction.atomic():
        # One person's requests take turns: two pages opened at once show the same task.
        Member.objects.select_for_update(no_key=True).get(pk=member.pk)
        return resume(member) or claim(member)


def open_assignments(member: Member) -> QuerySet[Assignment]:
    """The member's tasks that were not submitted, the newest first."""
    tasks = member.assignments.filter(submitted_at=None)
    return tasks.select_related("prompt").order_by("-created_at")


@dataclass(frozen=True)
class Progress:
    """How far a labeller is, in prompts. Tells nothing of anybody's verdicts."""

    done: int  # ranked by this member
    left: int  # could still be given to this member


def progress(member: Member) -> Progress:
    """The member's own progress."""
    return Progress(
        done=member.assignments.exclude(submitted_at=None).count(),
        left=Prompt.objects.awaiting(member).count(),
    )


def waiting_for(member: Member) -> int:
    """How many prompts the member can rank now: the open task, and those that wait."""
    open_now = open_assignments(member).filter(slot__isnull=False)
    return open_now.count() + Prompt.objects.awaiting(member).count()


def resume(member: Member) -> Assignment | None:
    """The member's unsubmitted task, its lease renewed, if it still has or can again get a slot.

    Call inside a transaction. Locks the task before its prompt, as `submit` does.
    """
    for assignment in open_assignments(member).select_for_update(of=("self",)):
        if assignment.slot is None and not take_slot(assignment.prompt, assignment):
            continue  # handed on meanwhile, and the prompt needs nobody else
        assignment.expires_at = timezone.now() + lease(member)
        assignment.save(update_fields=["slot", "expires_at"])
        return assignment
    return None


def claim(member: Member) -> Assignment | None:
    """Lend the most urgent waiting prompt to the member. Call inside a transaction."""
    release_expired(member)
    prompt = Prompt.objects.awaiting(member).select_for_update(skip_locked=True).first()
    if prompt is None:
        return None
    assignment = Assignment(
        prompt=prompt,
        member=member,
        order=draw_order(prompt, member),
        expires_at=timezone.now() + lease(member),
    )
    if not take_slot(prompt, assignment):
        return None
    assignment.save()
    return assignment


def draw_order(prompt: Prompt, member: Member) -> list[int]:
    """Which responses to show, shuffled; a draw of K where the prompt has more."""
    pks = list(prompt.responses.order_by("pk").values_list("pk", flat=True))
    return random.sample(pks, min(len(pks), member.project.responses_per_ranking))


def take_slot(prompt: Prompt, assignment: Assignment) -> bool:
    """Give the assignment the prompt's lowest free slot, unsaved; False when none is free.

    The conditional update locks the prompt's row, so two claims of its last slot cannot both win.
    """
    waiting = Prompt.objects.filter(pk=prompt.pk, rankings_needed__gt=0)
    if not waiting.update(rankings_needed=F("rankings_needed") - 1):
        return False
    taken = set(prompt.assignments.exclude(slot=None).values_list("slot", flat=True))
    assignment.slot = next(n for n in range(1, len(taken) + 2) if n not in taken)
    return True


def release_expired(member: Member) -> None:
    """Free the slots of the project's leases that have run out, except the member's own."""
    expired = (
        Assignment.objects.filter(
            prompt__project_id=member.project_id,
            submitted_at=None,
            slot__isnull=False,
            expires_at__lt=timezone.now(),
        )
        .exclude(member=member)
        .select_for_update(skip_locked=True, of=("self",))
    )
    found = expired.order_by("expires_at")[:RELEASE_AT_ONCE]
    # In the order of the prompts: two that release at once then never wait for each other.
    for assignment in sorted(found, key=lambda assignment: assignment.prompt_id):
        Assignment.objects.filter(pk=assignment.pk).update(slot=None)
        Prompt.objects.filter(pk=assignment.prompt_id).update(
            rankings_needed=F("rankings_needed") + 1
        )


def lease(member: Member) -> timedelta:
    return timedelta(minutes=member.project.lease_minutes)


def find_assignment(member: Member, token: uuid.UUID) -> Assignment:
    """The member's task with this token.

    Raises Assignment.DoesNotExist where the project has no such task, NotYoursError where it is
    lent to somebody else.
    """
    assignment = Assignment.objects.select_related("prompt").get(
        token=token, prompt__project_id=member.project_id
    )
    if assignment.member_id != member.pk:
        raise NotYoursError
    return assignment


def keep_draft(assignment: Assignment, ranks: Mapping[str, int], note: str) -> None:
    """Remember what was entered, for when the page comes up again. Not after the submit."""
    assignment.draft = {"ranks": dict(ranks), "note": note}
    open_still = Assignment.objects.filter(pk=assignment.pk, submitted_at=None)
    open_still.update(draft=assignment.draft)


def submit(*, assignment: Assignment, ranks: Mapping[str, int], note: str = "") -> Ranking:
    """Store the verdict on an assignment: the rank of each letter, 1 = best, ties sharing one.

    Gaps close: ranks 1, 1, 4 are stored as 1, 1, 2. The same verdict a second time stores nothing
    and gives back the ranking that is there; another verdict adds a version of it. When the
    prompt's slots have gone to others since the lease ran out, the ranking is kept and marked as
    surplus.
    Raises ValueError unless every shown response, and nothing else, has a rank.
    """
    if sorted(ranks) != letters(assignment):
        raise ValueError(f"expected ranks for {letters(assignment)}, got {sorted(ranks)}")
    shown = zip(letters(assignment), assignment.order, strict=True)
    by_response = dense({pk: ranks[letter] for letter, pk in shown})
    with transaction.atomic():
        # The lock makes the second of two simultaneous submits wait, and then see the first.
        locked = Assignment.objects.select_for_update().get(pk=assignment.pk)
        hashes = Response.objects.filter(pk__in=locked.order).values_list("content_hash", flat=True)
        previous = Ranking.objects.filter(
            prompt_id=locked.prompt_id,
            member_id=locked.member_id,
            responses_hash=hash_responses(hashes),
            is_current=True,
        ).first()
        if previous is not None and previous.ranks() == by_response:
            ranking = previous
        else:
            ranking = record(locked, by_response, note, hash_responses(hashes), previous)
        locked.submitted_at = locked.submitted_at or timezone.now()
        locked.draft = {}
        locked.save(update_fields=["slot", "submitted_at", "draft"])
    return ranking


def record(
    assignment: Assignment,
    by_response: Mapping[int, int],
    note: str,
    responses_hash: str,
    previous: Ranking | None,
) -> Ranking:
    """Write a ranking with its placements, as the next version of a previous one."""
    surplus = assignment.slot is None and (
        # Handed on, but perhaps nobody has taken the slot yet.
        assignment.submitted_at is not None or not take_slot(assignment.prompt, assignment)
    )
    if previous is not None:
        Ranking.objects.filter(pk=previous.pk).update(is_current=False)
    ranking = Ranking.objects.create(
        prompt_id=assignment.prompt_id,
        member_id=assignment.member_id,
        responses_hash=responses_hash,
        version=previous.version + 1 if previous is not None else 1,
        surplus=surplus,
        seconds=max(0.0, (timezone.now() - assignment.created_at).total_seconds()),
        note=note,
    )
    Placement.objects.bulk_create(
        Placement(ranking=ranking, response_id=pk, rank=rank) for pk, rank in by_response.items()
    )
    return ranking


def dense(ranks: Mapping[int, int]) -> dict[int, int]:
    """The ranks with their gaps closed: 1, 1, 4 becomes 1, 1, 2."""
    places = {rank: place for place, rank in enumerate(sorted(set(ranks.values())), start=1)}
    return {pk: places[rank] for pk, rank in ranks.items()}
