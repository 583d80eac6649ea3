"""Lending: which prompt a labeller gets, and for how long.

A prompt wanted by N labellers goes to N and never twice to one: its slots are numbered and unique
in the database, and a claim is one conditional write. Whoever writes locks in one order, so that
nobody waits in a circle: the member, the member's assignments, prompts.
"""

import random
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.core.cache import cache
from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from labelapp.db.sql import insert
from labelapp.labelling import controls, queue, sql
from labelapp.models import Assignment, Member, Prompt, Ranking, Response

# Expired leases handed on at one claim: no labeller pays for a long absence of all.
RELEASE_AT_ONCE = 100
# How many waiting prompts are counted for a labeller. Past that, "more than" says enough.
COUNTED = 100
BELIEVED_SECONDS = 30  # that so many wait, once they were counted


def current_task(member: Member) -> Assignment | None:
    """What the member is to rank now: the task begun last, else a newly claimed one.

    None when every prompt of the project has, or is getting, the rankings it wants from others
    or has been ranked by this member, and when the project is paused.
    """
    # The usual case writes nothing, so that no page waits for whoever writes at length.
    shown = open_tasks(member).filter(shown_at__isnull=False).select_related("prompt")
    assignment = shown.order_by("-shown_at").first()
    soon = timezone.now() + lease(member) / 2
    if assignment is not None and assignment.is_lent and assignment.expires_at > soon:
        return assignment
    with transaction.atomic():
        take_turn(member)
        return begin(member)


def begin(member: Member) -> Assignment | None:
    """The task that a member who has taken their turn is to rank now, resumed or claimed."""
    assignment = resume(member)
    if assignment is None:
        return claim(member, shown_at=timezone.now())
    if assignment.shown_at is None:
        show(assignment)
    return assignment


def go_on(member: Member, ahead: UUID | None = None) -> Assignment | None:
    """What a member who has just ranked or skipped a task is to rank now.

    The task that their page keeps ready, where `ahead` is its token. Call in the same transaction,
    in which they have taken their turn: what is stored and what is lent wait once for the disk.
    """
    if ahead is None or not member.is_active:
        return begin(member)
    assignment = open_tasks(member).filter(token=ahead).first()
    if assignment is not None:
        show(assignment)
    return assignment


@transaction.atomic
def next_task(member: Member, beside: Assignment) -> Assignment | None:
    """What the member will get after the task that they are at, claimed now so that it can wait."""
    take_turn(member)
    return resume(member, beside=beside) or claim(member)


def take_turn(member: Member) -> None:
    """One person's requests take turns: two pages opened at once show the same task.

    Call inside a transaction, before anything else is locked. Brings the member up to date.
    """
    if member.pk is not None:
        sql.lock_member(member)


def open_tasks(member: Member) -> QuerySet[Assignment]:
    """The member's tasks that are neither ranked nor skipped: one or two."""
    return Assignment.objects.open().filter(member_id=member.pk)


def show(assignment: Assignment) -> None:
    """Note that the task stands in front of its labeller now."""
    assignment.shown_at = timezone.now()
    Assignment.objects.filter(pk=assignment.pk).update(shown_at=assignment.shown_at)


def resume(member: Member, beside: Assignment | None = None) -> Assignment | None:
    """An open task of the member, its lease renewed, if it still has or can again get a slot.

    One whose submit was undone comes back in any case: a ranking that was made is not lost by it.
    Nothing for a member who was removed while they waited for their turn.
    """
    if not member.is_active:
        return None
    tasks = [task for task in sql.locked_open_tasks(member) if task != beside]
    in_order = sorted(tasks, key=shown_last)
    return next((task for task in in_order if renew(task, member) or was_undone(task)), None)


def shown_last(assignment: Assignment) -> tuple[bool, float, datetime]:
    """What was shown last comes first, and what waits behind another task after that."""
    shown_at = assignment.shown_at
    return shown_at is None, -shown_at.timestamp() if shown_at else 0, assignment.created_at


def renew(assignment: Assignment, member: Member) -> bool:
    """Lengthen a lease.

    False where it was taken back, and where its slot was handed on and the prompt needs nobody
    else.
    """
    lent = assignment.is_lent
    if not lent and not assignment.taken_back:
        lent = take_slot(assignment.prompt, assignment)
    if not lent:
        return False
    assignment.expires_at = timezone.now() + lease(member)
    assignment.taken_back = False
    assignment.save(update_fields=["slot", "expires_at", "taken_back"])
    return True


def was_undone(assignment: Assignment) -> bool:
    """Whether an open task has been ranked before."""
    made = Ranking.objects.filter(prompt=assignment.prompt_id, member=assignment.member_id)
    return made.filter(origin=controls.origin_of(assignment)).exists()


@transaction.atomic
def keep_alive(member: Member, tokens: Iterable[UUID]) -> None:
    """Lengthen the leases of the tasks that a labeller's open page holds.

    In the order of the prompts, so that two who do it never wait for each other.
    """
    take_turn(member)
    if not member.is_active:
        return
    held = open_tasks(member).filter(token__in=tokens).order_by("prompt_id")
    for assignment in held.select_for_update():
        renew(assignment, member)


def claim(member: Member, shown_at: datetime | None = None) -> Assignment | None:
    """Lend the most urgent waiting prompt to the member, who has taken their turn.

    Now and then a control in front of it.
    """
    release_expired()
    if member.project.paused or not member.is_active:
        return None
    assignment = controls.draw(member) or wanted_task(member)
    if assignment is None:
        return None
    assignment.shown_at = shown_at
    assignment.expires_at = timezone.now() + lease(member)
    insert(assignment)
    return assignment


def wanted_task(member: Member) -> Assignment | None:
    """The most urgent waiting prompt with one of its slots, unsaved and without a lease."""
    prompt = find_prompt(member)
    if prompt is None:
        return None
    drawn = draw(prompt, member)
    order = [response.pk for response in drawn]
    assignment = Assignment(prompt=prompt, member=member, order=order)
    assignment.shown = drawn
    return assignment if take_slot(prompt, assignment) else None


def find_prompt(member: Member) -> Prompt | None:
    """The most urgent waiting prompt, locked, and the member's place in the queue moved there.

    Reads the queue on from that place, and what came back; both are ranges of an index. From the
    top only when these hold nothing: another's claim may have hidden a prompt that is free again.
    """
    found = min(queue.next_prompts(member), key=urgency, default=None)
    if found is None and member.queue_priority is not None:
        member.queue_priority = member.queue_prompt = None
        return find_prompt(member)
    if found is not None and is_behind(found, member):
        member.queue_priority, member.queue_prompt = found.priority, found.pk
        sql.store_place(member)
    return found


@transaction.atomic
def look_from_the_top(members: QuerySet[Member]) -> None:
    """Have members go on at the top of the queue: anything may wait in front of their places.

    Locks them in their order, and so comes before prompts are locked.
    """
    ours = members.order_by("pk").select_for_update(no_key=True)
    Member.objects.filter(pk__in=ours.values("pk")).update(queue_priority=None, queue_prompt=None)


def is_behind(prompt: Prompt, member: Member) -> bool:
    """Whether a prompt stands behind the member's place in the queue."""
    if member.queue_priority is None or member.queue_prompt is None:
        return True
    return urgency(prompt) > (-member.queue_priority, member.queue_prompt)


def urgency(prompt: Prompt) -> tuple[int, int]:
    """Lower comes first."""
    return -prompt.priority, prompt.pk


def draw(prompt: Prompt, member: Member) -> list[Response]:
    """Which responses to show, shuffled; a draw of K where the prompt has more."""
    responses = sql.responses(prompt)
    return random.sample(responses, min(len(responses), member.project.responses_per_ranking))


def take_slot(prompt: Prompt, assignment: Assignment) -> bool:
    """Give the assignment the prompt's lowest free slot, unsaved; False when none is free.

    What was begun before its prompt was taken out of the queue gets another: nobody else has it.
    The conditional update locks the prompt's row, so two claims of its last slot cannot both win.
    """
    begun = assignment.pk is not None and not assignment.taken_back
    if not sql.take(prompt) and not (begun and sql.want_once_more(prompt)):
        return False
    taken = sql.slots(prompt)
    assignment.slot = next(n for n in range(1, len(taken) + 2) if n not in taken)
    return True


def free_slot(assignment: Assignment) -> None:
    """Give the slot of a locked assignment back, if it has one: its prompt waits again.

    A prompt that was taken out of the queue in the meantime does not: it wants one ranking less.
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
    """Free the slots of leases that have run out, in whatever project.

    Whose lease it was may have it back as long as nobody else has taken it. What somebody else has
    locked is left to another claim: who releases may hold a prompt already, and must not wait.
    """
    now = timezone.now()
    if not sql.any_expired(now):
        return
    expired = Assignment.objects.filter(
        submitted_at=None, slot__isnull=False, expires_at__lt=now
    ).select_for_update(skip_locked=True, of=("self",))
    found = list(expired.order_by("expires_at")[:RELEASE_AT_ONCE])
    prompts = Prompt.objects.filter(pk__in={assignment.prompt_id for assignment in found})
    ours = prompts.select_for_update(skip_locked=True, no_key=True)
    locked = set(ours.values_list("pk", flat=True))
    for assignment in found:
        if assignment.prompt_id in locked:
            free_slot(assignment)


def lease(member: Member) -> timedelta:
    return timedelta(minutes=member.project.lease_minutes)


@dataclass(frozen=True)
class Progress:
    """How far a labeller is, in prompts. Tells nothing of anybody's verdicts."""

    done: int  # ranked by this member
    today: int
    left: int  # could be given to this member, beside what is lent to them; counted to COUNTED

    @property
    def many_left(self) -> bool:
        return self.left >= COUNTED


def progress(member: Member, *, roughly: bool = False) -> Progress:
    """The member's own progress, at a cost that does not grow with the project.

    `roughly` believes for a while that more wait than are counted: they do not go so fast.
    """
    midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    return Progress(
        done=member.ranked,
        today=sql.ranked_since(member, midnight),
        left=left_for(member, roughly),
    )


def left_for(member: Member, roughly: bool) -> int:
    """How many prompts could be given to the member, counted to COUNTED."""
    many = f"many-wait-{member.pk}"
    if roughly and cache.get(many):
        return COUNTED
    left = queue.count(member, COUNTED)
    if left == COUNTED:
        cache.set(many, True, BELIEVED_SECONDS)
    return left


def waiting_for(member: Member) -> int:
    """How many prompts the member can rank now, counted to COUNTED: begun, and waiting."""
    begun = Assignment.objects.lent().filter(member_id=member.pk).count()
    waiting = 0 if member.project.paused else queue.count(member, COUNTED)
    return min(begun + waiting, COUNTED)
