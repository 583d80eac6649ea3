"""Read the state of prompts for an archive: place in the queue, assignments, comments and tags.

Temporary data is left out: open assignments, drafts and computed results. A prompt that was
assigned when the archive was made therefore waits again after an import.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import QuerySet

from labelapp.models import Assignee, Assignment, Comment, Origin, Prompt, PromptTag, Ranking
from training.formats.archive_keys import FileComment, FileTask, PromptState


class AssignmentRow(NamedTuple):
    """The columns of an assignment that an archive needs."""

    prompt_id: int
    member_id: int
    member__name: str
    order: list[int]
    created_at: datetime
    seconds: float
    gold: bool
    repeat: bool
    slot: int | None
    taken_back: bool
    submitted_at: datetime | None
    skipped_at: datetime | None
    skip_reason: str
    skip_note: str


Ranks = Mapping[int, Iterable[tuple[int, int]]]  # ranking -> responses with their ranks


def read_states(
    prompts: Sequence[Prompt], rankings: Iterable[Ranking], ranks: Ranks, ids: Mapping[int, str]
) -> dict[int, PromptState]:
    """Read the states of some prompts in four queries; `ids` holds the file's response ids.

    `rankings` holds all versions of the prompts' rankings, read before: a task that was ranked in
    between appears in its earlier state.
    """
    prompt_ids = [prompt.pk for prompt in prompts]
    rows = Assignment.objects.filter(prompt__in=prompt_ids).values_list(*AssignmentRow._fields)
    ranked = RankedTasks(rankings, ranks)
    tasks: defaultdict[int, list[FileTask]] = defaultdict(list)
    for row in map(AssignmentRow._make, rows):
        if (task := ranked.file_task(row, ids)) is not None:
            tasks[row.prompt_id].append(task)
    comments: defaultdict[int, list[FileComment]] = defaultdict(list)
    stored = Comment.objects.filter(prompt__in=prompt_ids).order_by("created_at", "pk")
    for prompt_id, by, at, text in stored.values_list(
        "prompt_id", "member__name", "created_at", "text"
    ):
        comments[prompt_id].append(FileComment(by, at, text))
    assigned = names(Assignee.objects.filter(prompt__in=prompt_ids), "member__name")
    tags = names(PromptTag.objects.filter(prompt__in=prompt_ids), "tag__name")
    return {
        prompt.pk: replace(
            prompt_state(prompt, tasks[prompt.pk], comments[prompt.pk]),
            assigned=tuple(sorted(assigned[prompt.pk])),
            reserved=prompt.reserved,
            tags=tuple(sorted(tags[prompt.pk])),
            metadata=prompt.metadata,
        )
        for prompt in prompts
    }


def names(rows: QuerySet[Any], column: str) -> defaultdict[int, list[str]]:
    """Return the names that rows have in a column, by prompt."""
    found: defaultdict[int, list[str]] = defaultdict(list)
    for prompt, name in rows.values_list("prompt", column):
        found[prompt].append(name)
    return found


def prompt_state(prompt: Prompt, tasks: list[FileTask], comments: list[FileComment]) -> PromptState:
    """Return the state of a prompt. One that was removed from the queue wants no more rankings."""
    slots = sum(task.fills_a_slot for task in tasks)
    return PromptState(
        wanted=slots if prompt.taken_out else max(prompt.rankings_wanted, slots),
        priority=prompt.priority,
        taken_out=prompt.taken_out,
        created_at=prompt.created_at,
        tasks=tuple(sorted(tasks, key=lambda task: (task.labeller, task.control == "repeat"))),
        comments=tuple(comments),
    )


class RankedTasks:
    """The tasks that led to a ranking, by prompt, member, repetition and set of responses."""

    def __init__(self, rankings: Iterable[Ranking], ranks: Ranks) -> None:
        self.ranked: set[tuple[int, int, bool, frozenset[int]]] = set()
        self.current: set[tuple[int, int, bool, frozenset[int]]] = set()
        for ranking in rankings:
            if ranking.origin not in (Origin.HERE, Origin.REPEATED):
                continue
            repeated = ranking.origin == Origin.REPEATED
            responses = frozenset(response for response, _ in ranks[ranking.pk])
            key = (ranking.prompt_id, ranking.member_id, repeated, responses)
            self.ranked.add(key)
            if ranking.is_current or repeated:
                self.current.add(key)

    def file_task(self, row: AssignmentRow, ids: Mapping[int, str]) -> FileTask | None:
        """Return the task as an archive stores it, or None if it is still open."""
        key = (row.prompt_id, row.member_id, row.repeat, frozenset(row.order))
        submitted_at = row.submitted_at if key in self.current else None
        skipped = row.skipped_at is not None
        if not (submitted_at or skipped or row.taken_back or key in self.ranked):
            return None
        control = "repeat" if row.repeat else "gold" if row.gold else ""
        return FileTask(
            labeller=row.member__name,
            shown=tuple(ids[response] for response in row.order if response in ids),
            created_at=row.created_at,
            seconds=row.seconds,
            control=control,
            surplus=submitted_at is not None and row.slot is None and not control,
            taken_back=row.taken_back,
            submitted_at=submitted_at,
            skipped_at=row.skipped_at,
            reason=row.skip_reason if skipped else "",
            note=row.skip_note if skipped else "",
        )
