"""Importing what was done with a prompt beside its rankings: its assignments and comments."""

import uuid
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from django.db.models import Case, F, Value, When
from django.db.models.functions import Greatest
from django.utils import timezone

from labelapp.db.bulk import insert_rows
from labelapp.importing.entries import Entry, People
from labelapp.models import Assignment, Comment, Origin, Prompt
from training.formats.archive_keys import FileTask

COLUMNS = (
    "prompt",
    "member",
    "token",
    "slot",
    "order",
    "draft",
    "seconds",
    "created_at",
    "expires_at",
    "gold",
    "repeat",
    "taken_back",
    "submitted_at",
    "skipped_at",
    "skip_reason",
    "skip_note",
)


class Key(NamedTuple):
    """One member has one task of a prompt, and another one where they repeat it."""

    prompt_id: int
    member_id: int
    repeat: bool


class Imported(NamedTuple):
    task: FileTask
    order: list[int]  # responses


def add_tasks(
    entries: Iterable[Entry], people: People, slots: Counter[int], new_prompts: Collection[int]
) -> None:
    """Add the tasks that are not there.

    `slots` says how many slots new prompts have counted as taken already; of others, one that fills
    a slot is taken off what the prompt needs, or wanted beside it.
    """
    found: dict[Key, tuple[Entry, Imported]] = {}
    for entry in entries:
        for task in tasks_of(entry):
            key = Key(entry.prompt_id, people[task.labeller], task.control == "repeat")
            assigned = Imported(task, [entry.response_ids[id_] for id_ in task.shown])
            found.setdefault(key, (entry, assigned))
    if not found:
        return
    taken: defaultdict[int, set[int | None]] = defaultdict(set)
    for key, slot in there({key.prompt_id for key in found} - set(new_prompts)):
        found.pop(key, None)
        taken[key.prompt_id].add(slot)
    filling = Counter(
        key.prompt_id for key, (_, assigned) in found.items() if assigned.task.fills_a_slot
    )
    fill_slots(filling - slots)
    rows = []
    for key, (entry, assigned) in found.items():
        entry.added = True
        slot = None
        if assigned.task.fills_a_slot:
            here = taken[key.prompt_id]
            slot = next(n for n in range(1, len(here) + 2) if n not in here)
            here.add(slot)
        if assigned.task.submitted_at is not None:
            people.ranked[key.member_id] += 1
        rows.append(row(key, assigned, slot))
    insert_rows(Assignment, COLUMNS, rows)


def tasks_of(entry: Entry) -> Iterator[FileTask]:
    """The tasks that a line speaks of.

    A ranking that was made here is of a task, whose line may not be in the file: nothing is known
    then of the queue, and it fills no slot.
    """
    if entry.line.state is not None:
        yield from entry.line.state.tasks
    details = entry.line.details
    if details is None or not entry.added or entry.line.labeller is None or not details.shown:
        return
    repeated = details.origin == Origin.REPEATED
    if repeated or (details.current and details.origin == Origin.HERE):
        made_at = details.created_at or timezone.now()
        yield FileTask(
            labeller=entry.line.labeller,
            shown=details.shown,
            created_at=made_at,
            seconds=details.seconds or 0.0,
            control="repeat" if repeated else details.control,
            surplus=True,
            submitted_at=made_at,
        )


def there(prompts: set[int]) -> Iterator[tuple[Key, int | None]]:
    """The tasks of prompts that are there, with their slots.

    The prompts are locked: nobody takes a slot meanwhile.
    """
    if prompts:
        locked = Prompt.objects.filter(pk__in=prompts).order_by("pk")
        ours = list(locked.select_for_update(no_key=True).values_list("pk", flat=True))
        tasks = Assignment.objects.filter(prompt__in=ours)
        for prompt_id, member_id, repeat, slot in tasks.values_list(
            "prompt_id", "member_id", "repeat", "slot"
        ):
            yield Key(prompt_id, member_id, repeat), slot


def fill_slots(filling: Counter[int]) -> None:
    """Take slots of prompts: from those that they need, else beside all that they wanted."""
    for count in sorted(set(filling.values())):
        more = Greatest(Value(count) - F("rankings_needed"), Value(0))
        left = Case(
            When(rankings_needed__gt=count, then=F("rankings_needed") - count), default=Value(0)
        )
        prompts = Prompt.objects.filter(pk__in=[pk for pk, n in filling.items() if n == count])
        prompts.update(rankings_wanted=F("rankings_wanted") + more, rankings_needed=left)


def row(key: Key, assigned: Imported, slot: int | None) -> tuple[object, ...]:
    """In the order of COLUMNS. The lease of whatever was open has ended."""
    task = assigned.task
    return (
        key.prompt_id,
        key.member_id,
        uuid.uuid4(),
        slot,
        assigned.order,
        {},
        task.seconds,
        task.created_at,
        task.submitted_at or task.skipped_at or task.created_at,
        task.control == "gold",
        key.repeat,
        task.taken_back,
        task.submitted_at,
        task.skipped_at,
        task.reason if task.skipped_at else "",
        task.note if task.skipped_at else "",
    )


def add_comments(entries: Iterable[Entry], people: People, new_prompts: Collection[int]) -> None:
    """Add the comments that are not there."""
    found = {
        (entry.prompt_id, people[comment.by], comment.at, comment.text): entry
        for entry in entries
        if entry.line.state is not None
        for comment in entry.line.state.comments
    }
    prompts = {prompt_id for prompt_id, *_ in found} - set(new_prompts)
    if prompts:
        known = Comment.objects.filter(prompt__in=prompts)
        for comment in known.values_list("prompt_id", "member_id", "created_at", "text"):
            found.pop(comment, None)
    for entry in found.values():
        entry.added = True
    insert_rows(Comment, ("prompt", "member", "created_at", "text"), list(found))
