"""Import what an archive records of a prompt besides its rankings: assignments and comments."""

import uuid
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

from django.db.models import F, QuerySet, Subquery, Value
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


class AssignmentKey(NamedTuple):
    """The key of an assignment: a member has one per prompt, and one more to repeat it."""

    content_hash: str  # of the prompt
    name: str
    repeat: bool


class NewAssignment(NamedTuple):
    entry: Entry
    task: FileTask
    order: list[int]  # response rows


def add_assignments(
    entries: Iterable[Entry],
    people: People,
    slots: Counter[int],
    stored: Mapping[int, str],
    copies: Collection[int],
) -> None:
    """Add the assignments that the database lacks.

    `slots` counts the slots of new prompts that are already subtracted from what they need. On
    other prompts, an assignment that fills a slot reduces the number needed; when none is needed
    it increases the number wanted. For `copies` of prompts this is done when they are published.
    `stored` are the prompts that are not new, with their content hashes.
    """
    new: dict[AssignmentKey, NewAssignment] = {}
    for entry in entries:
        for task in read_tasks(entry):
            key = AssignmentKey(entry.content_hash, task.labeller, task.control == "repeat")
            order = [entry.response_ids[id_] for id_ in task.shown]
            new.setdefault(key, NewAssignment(entry, task, order))
    if not new:
        return
    hashes = {key.content_hash for key in new}
    taken: defaultdict[str, set[int | None]] = defaultdict(set)
    for key, slot in lock_existing({pk: h for pk, h in stored.items() if h in hashes}):
        new.pop(key, None)
        taken[key.content_hash].add(slot)
    filling = (one.entry.prompt_id for one in new.values() if one.task.fills_a_slot)
    filled = Counter(pk for pk in filling if pk not in copies) - slots
    for count in sorted(set(filled.values())):
        prompts = [pk for pk, number in filled.items() if number == count]
        fill_slots(Prompt.objects.filter(pk__in=prompts), count)
    rows = []
    for key, one in new.items():
        one.entry.added = True
        slot = None
        if one.task.fills_a_slot:
            taken_here = taken[key.content_hash]
            slot = next(n for n in range(1, len(taken_here) + 2) if n not in taken_here)
            taken_here.add(slot)
        if one.task.submitted_at is not None:
            people.ranked[key.name] += 1
        rows.append(assignment_row(one, people[key.name], slot))
    insert_rows(Assignment, COLUMNS, rows)


def read_tasks(entry: Entry) -> Iterator[FileTask]:
    """Yield the tasks that a line lists, and the task of its ranking.

    The file may lack the line that lists the task of a ranking made here. The state of the queue
    is unknown then, so that task fills no slot.
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


def lock_existing(prompts: Mapping[int, str]) -> Iterator[tuple[AssignmentKey, int | None]]:
    """Lock the prompts, so that nobody takes a slot, and yield their assignments with slots."""
    if prompts:
        locked = Prompt.objects.filter(pk__in=prompts).order_by("pk")
        ids = list(locked.select_for_update(no_key=True).values_list("pk", flat=True))
        assignments = Assignment.objects.filter(prompt__in=ids)
        for prompt_id, name, repeat, slot in assignments.values_list(
            "prompt_id", "member__name", "repeat", "slot"
        ):
            yield AssignmentKey(prompts[prompt_id], name, repeat), slot


def fill_slots(prompts: QuerySet[Prompt], count: int | Subquery) -> None:
    """Fill some slots of each prompt: first those it needs, then new ones."""
    missing = Value(count) if isinstance(count, int) else count
    prompts.update(
        rankings_wanted=F("rankings_wanted") + Greatest(missing - F("rankings_needed"), Value(0)),
        rankings_needed=Greatest(F("rankings_needed") - missing, Value(0)),
    )


def assignment_row(new: NewAssignment, member_id: int, slot: int | None) -> tuple[object, ...]:
    """Return the values of COLUMNS. An assignment that was still open has expired."""
    task = new.task
    return (
        new.entry.prompt_id,
        member_id,
        uuid.uuid4(),
        slot,
        new.order,
        {},
        task.seconds,
        task.created_at,
        task.submitted_at or task.skipped_at or task.created_at,
        task.control == "gold",
        task.control == "repeat",
        task.taken_back,
        task.submitted_at,
        task.skipped_at,
        task.reason if task.skipped_at else "",
        task.note if task.skipped_at else "",
    )


def add_comments(entries: Iterable[Entry], people: People, stored: Mapping[int, str]) -> None:
    """Add the comments that the database lacks. `stored` are the prompts that are not new."""
    new = {
        (entry.content_hash, comment.by, comment.at, comment.text): entry
        for entry in entries
        if entry.line.state is not None
        for comment in entry.line.state.comments
    }
    if new:
        existing = Comment.objects.filter(prompt__in=stored)
        for prompt_id, name, at, text in existing.values_list(
            "prompt_id", "member__name", "created_at", "text"
        ):
            new.pop((stored[prompt_id], name, at, text), None)
    for entry in new.values():
        entry.added = True
    insert_rows(
        Comment,
        ("prompt", "member", "created_at", "text"),
        [(entry.prompt_id, people[name], at, text) for (_, name, at, text), entry in new.items()],
    )
