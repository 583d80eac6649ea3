"""Assign prompts to labellers: who gets which, and for how long.

A prompt wanted by N labellers goes to N of them, and never twice to the same one: its slots are
numbered and unique in the database, and a claim is one conditional write. Locks are always taken in
the same order, to avoid deadlocks: the member, the member's assignments, prompts.
"""

import random
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, F, OuterRef, QuerySet
from django.utils import timezone

from labelapp.db.writer import write
from labelapp.labelling import campaign, controls, queue
from labelapp.models import Assignee, Assignment, Member, Prompt, Ranking, Response, hash_responses

# Expired leases released in one claim: no labeller waits for all of them after a long break.
RELEASE_AT_ONCE = 100
# What changes of a member while they label.
COUNTS = ("ranked", "ranked_on", "ranked_that_day", "queue_priority", "queue_prompt")

# Put together once: Django takes longer for these annotations than a database for the statement.
EXPIRED = {"leases_expired": Exists(Assignment.objects.expired())}
LOCKED_MEMBERS = Member.objects.locked().annotate(**EXPIRED).select_related("project")
RANKED = Ranking.objects.filter(prompt=OuterRef("prompt"), member=OuterRef("member"))
RANKED_BEFORE = {"ranked_before": Exists(RANKED)}
LOCKED_ASSIGNMENTS = Assignment.objects.locked().annotate(**RANKED_BEFORE)
LOCKED_OPEN = LOCKED_ASSIGNMENTS.open()


# ---- turns ----


@contextmanager
def turn(member: Member) -> Iterator[None]:
    """Lock the member in a transaction, at whose end their counts are saved.

    One person's requests take turns: two pages opened at once show the same assignment.
    """
    with write():
        lock_member(member)
        with save_counts(member):
            yield


def lock_member(member: Member) -> None:
    """Lock the member until the transaction ends, and bring the member up to date."""
    current = LOCKED_MEMBERS.get(pk=member.pk)
    for name in ("is_active", "leases_expired", *COUNTS):
        setattr(member, name, getattr(current, name))


@contextmanager
def save_counts(member: Member) -> Iterator[None]:
    """Save the counts of a locked member at the end if they have changed."""
    before = [getattr(member, name) for name in COUNTS]
    yield
    if [getattr(member, name) for name in COUNTS] != before:
        member.save(update_fields=COUNTS)


def lock_assignments(member: Member, token: UUID | None = None) -> list[Assignment]:
    """Lock the open assignments of a locked member, and the one with the token if it is theirs.

    In the order of the prompts, in which their slots are taken: two members never wait for each
    other in a circle.
    """
    assignments = list(LOCKED_OPEN.filter(member=member))
    if token and token not in {assignment.token for assignment in assignments}:
        assignments += LOCKED_ASSIGNMENTS.filter(member=member, token=token)
    for assignment in assignments:
        assignment.member = member
    return sorted(assignments, key=lambda assignment: assignment.prompt_id)


# ---- what a labeller is to rank ----


def current_assignment(member: Member) -> Assignment | None:
    """Return what the member is to rank now: the one begun last, else a newly claimed one.

    None when every prompt of the project has, or is getting, the rankings it wants from others
    or has been ranked by this member, and when the project is paused or archived.
    """
    if member.project.is_archived:
        return None
    # The usual case writes nothing, so that pages do not wait for somebody else's long write.
    shown = Assignment.objects.open().filter(member=member, shown_at__isnull=False)
    assignment = shown.select_related("prompt").order_by("-shown_at").first()
    soon = timezone.now() + lease(member) / 2
    if assignment is not None and assignment.is_held and assignment.expires_at > soon:
        return assignment
    with turn(member):
        return resume_or_claim(member, lock_assignments(member))


def resume_or_claim(member: Member, locked: Sequence[Assignment]) -> Assignment | None:
    """Return one of a locked member's assignments that are open or a new one, now shown."""
    assignment = resume(member, locked)
    if assignment is None:
        return claim(member, shown_at=timezone.now())
    if assignment.shown_at is None:
        show(assignment)
    return assignment


def advance(
    member: Member, locked: Sequence[Assignment], shown: UUID | None = None
) -> Assignment | None:
    """Return what a locked member is to rank after one that they have ranked or skipped.

    `shown` is the token of the one that their page kept ready and shows now, if it did.
    """
    if shown is None or not member.is_active:
        assignment = resume_or_claim(member, locked)
    else:
        assignment = next((one for one in locked if one.is_open and one.token == shown), None)
        if assignment is not None:
            show(assignment)
    if assignment is None:
        campaign.tell_of_end(member.project)
    return assignment


def next_assignment(member: Member, current: Assignment) -> Assignment | None:
    """Claim and return the member's next assignment early, so that the page can keep it ready."""
    if member.project.is_archived:
        return None
    with turn(member):
        others = [one for one in lock_assignments(member) if one != current]
        return resume(member, others) or claim(member)


def show(assignment: Assignment) -> None:
    """Record that the labeller sees the assignment now."""
    assignment.shown_at = timezone.now()
    assignment.save(update_fields=["shown_at"])


def resume(member: Member, locked: Sequence[Assignment]) -> Assignment | None:
    """Renew and return the first open assignment that has a slot, or can get one again.

    An assignment whose submit was undone comes back in any case, so that its ranking is not lost.
    Returns None for a member who was removed while they waited for the lock.
    """
    if not member.is_active:
        return None
    in_order = sorted((one for one in locked if one.is_open), key=shown_last)
    return next((one for one in in_order if renew(one) or was_undone(one)), None)


def shown_last(assignment: Assignment) -> tuple[bool, float, datetime]:
    """Return a sort key: the assignment shown last comes first, and those kept ready come after."""
    shown_at = assignment.shown_at
    return shown_at is None, -shown_at.timestamp() if shown_at else 0, assignment.created_at


def was_undone(assignment: Assignment) -> bool:
    """Return whether an open assignment has been ranked before."""
    made = Ranking.objects.filter(prompt=assignment.prompt_id, member=assignment.member_id)
    return made.filter(origin=controls.origin_of(assignment)).exists()


# ---- claims ----


def claim(member: Member, shown_at: datetime | None = None) -> Assignment | None:
    """Assign the most urgent waiting prompt to a locked member; now and then a control instead."""
    if member.leases_expired:
        release_expired()
    if member.project.paused or not member.is_active:
        return None
    assignment = controls.draw(member) or assign_waiting(member)
    if assignment is None:
        return None
    assignment.shown_at = shown_at
    assignment.expires_at = timezone.now() + lease(member)
    assignment.save(force_insert=True)
    if not assignment.is_control:
        del assignment.slot  # chosen by the database; Django reads it on access
    return assignment


def assign_waiting(member: Member) -> Assignment | None:
    """Return an unsaved assignment of the most urgent waiting prompt, of which a slot is taken."""
    prompt = take_prompt(member)
    if prompt is None:
        return None
    responses = draw(prompt, member)
    assignment = Assignment(
        prompt=prompt,
        member=member,
        slot=queue.free_slot(prompt.pk),
        order=[response.pk for response in responses],
        responses_hash=hash_responses(response.content_hash for response in responses),
    )
    assignment.shown = responses
    return assignment


def take_prompt(member: Member) -> Prompt | None:
    """Take a slot of the member's most urgent waiting prompt, and move their place in the queue.

    Prompts assigned to the member by name come first, wherever they are, and leave the place as it
    was. Otherwise the queue is read from the member's place on, together with the prompts that came
    back; both are ranges of an index. It is read from the top only if these are empty, because
    another member's claim may have hidden a prompt that is free again.
    """
    prompt = queue.take_prompt(member)
    if prompt is not None and prompt.assignee is not None:
        Assignee.objects.filter(pk=prompt.assignee).update(waits=False)
        return prompt
    if prompt is None and member.queue_priority is not None:
        prompt = queue.take_prompt(member, top=True)
        if prompt is not None:
            member.queue_priority, member.queue_prompt = prompt.priority, prompt.pk
    elif prompt is not None and is_behind(prompt, member):
        member.queue_priority, member.queue_prompt = prompt.priority, prompt.pk
    return prompt


def is_behind(prompt: Prompt, member: Member) -> bool:
    """Return whether a prompt comes after the member's place in the queue."""
    if member.queue_priority is None or member.queue_prompt is None:
        return True
    return (-prompt.priority, prompt.pk) > (-member.queue_priority, member.queue_prompt)


@transaction.atomic
def look_from_the_top(members: QuerySet[Member]) -> None:
    """Send members back to the top of the queue, because a prompt may wait before their places.

    Locks the members in order. Call it before any prompt is locked.
    """
    ours = members.order_by("pk").select_for_update(no_key=True)
    Member.objects.filter(pk__in=ours.values("pk")).update(queue_priority=None, queue_prompt=None)


def draw(prompt: Prompt, member: Member) -> list[Response]:
    """Return the responses to show, shuffled: K of them where the prompt has more."""
    responses = list(Response.objects.filter(prompt_id=prompt.pk))
    return random.sample(responses, min(len(responses), member.project.responses_per_ranking))


# ---- leases and slots ----


def renew(assignment: Assignment) -> bool:
    """Extend the lease of an open assignment that has a slot, or can get one again.

    Returns False if a manager took the assignment back, or if its slot was given to somebody else
    and the prompt needs nobody more.
    """
    held = assignment.is_held or (not assignment.taken_back and take_slot(assignment))
    if not held:
        return False
    assignment.expires_at = timezone.now() + lease(assignment.member)
    assignment.taken_back = False
    assignment.save(update_fields=["expires_at", "taken_back"])
    return True


def keep_alive(member: Member, tokens: Iterable[UUID]) -> None:
    """Extend the leases of the assignments that a labeller's open page shows or keeps ready."""
    with turn(member):
        if member.is_active:
            for assignment in lock_assignments(member):
                if assignment.token in tokens:
                    renew(assignment)


def take_slot(assignment: Assignment) -> bool:
    """Give an assignment without a slot the prompt's lowest free one; return False without one.

    An assignment that was begun before its prompt was removed from the queue gets an extra slot,
    because nobody else can have it. The conditional update locks the prompt's row, so that two
    members cannot both get its last slot.
    """
    prompt = Prompt.objects.filter(pk=assignment.prompt_id)
    if not prompt.take_slots() and (assignment.taken_back or not prompt.want_one_more()):
        return False
    assignment.slot = queue.free_slot(assignment.prompt_id)
    assignment.save(update_fields=["slot"])
    assignment.refresh_from_db(fields=["slot"])
    return True


def release_slot(assignment: Assignment) -> None:
    """Release the slot of a locked assignment, if it has one, so that its prompt waits again.

    A prompt that was removed from the queue meanwhile does not wait again: it wants one ranking
    fewer.
    """
    if assignment.slot is None:
        return
    assignment.slot = None
    assignment.save(update_fields=["slot"])
    prompt = Prompt.objects.filter(pk=assignment.prompt_id)
    queued = prompt.filter(taken_out=False)
    if not queued.update(rankings_needed=F("rankings_needed") + 1, came_back=True):
        prompt.update(rankings_wanted=F("rankings_wanted") - 1)


def release_expired() -> None:
    """Release the slots of expired leases, in every project.

    Their labellers can have them back as long as nobody else has taken them. Rows that somebody
    else has locked are left to a later claim: the caller may hold a prompt already, and must not
    wait.
    """
    expired = Assignment.objects.expired()
    locked = expired.select_for_update(skip_locked=True, of=("self",))
    found = list(locked.order_by("expires_at")[:RELEASE_AT_ONCE])
    prompts = Prompt.objects.filter(pk__in={assignment.prompt_id for assignment in found})
    ours = prompts.select_for_update(skip_locked=True, no_key=True)
    free = set(ours.values_list("pk", flat=True))
    for assignment in found:
        if assignment.prompt_id in free:
            release_slot(assignment)


def lease(member: Member) -> timedelta:
    """Return how long an assignment in the member's project lasts."""
    return timedelta(minutes=member.project.lease_minutes)
