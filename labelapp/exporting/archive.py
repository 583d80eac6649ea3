"""What an archive says of a prompt itself: its place in the queue, its tasks, its comments.

Left out is what passes: open assignments, drafts, and what was computed. Prompts that were assigned
when the archive was made wait again.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from labelapp.models import Assignment, Comment, Origin, Prompt, Ranking
from training.formats.archive_keys import (
    FileComment,
    FileTask,
    PromptState,
)


class Task(NamedTuple):
    """An assignment as it lies in the database."""

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
    """The state of some prompts, in two queries; `ids` says what responses are called.

    Read after the rankings, of which these are all versions: a task that was ranked in between is
    as it was before.
    """
    ours = [prompt.pk for prompt in prompts]
    rows = Assignment.objects.filter(prompt__in=ours).values_list(*Task._fields)
    made = Made(rankings, ranks)
    tasks: defaultdict[int, list[FileTask]] = defaultdict(list)
    for row in map(Task._make, rows):
        if (task := made.task(row, ids)) is not None:
            tasks[row.prompt_id].append(task)
    comments: defaultdict[int, list[FileComment]] = defaultdict(list)
    said = Comment.objects.filter(prompt__in=ours).order_by("created_at", "pk")
    for prompt_id, by, at, text in said.values_list(
        "prompt_id", "member__name", "created_at", "text"
    ):
        comments[prompt_id].append(FileComment(by, at, text))
    return {prompt.pk: state(prompt, tasks[prompt.pk], comments[prompt.pk]) for prompt in prompts}


def state(prompt: Prompt, tasks: list[FileTask], comments: list[FileComment]) -> PromptState:
    """Open assignments of a prompt that was taken out of the queue are wanted of nobody else."""
    slots = sum(task.fills_a_slot for task in tasks)
    return PromptState(
        wanted=slots if prompt.taken_out else max(prompt.rankings_wanted, slots),
        priority=prompt.priority,
        taken_out=prompt.taken_out,
        created_at=prompt.created_at,
        tasks=tuple(sorted(tasks, key=lambda task: (task.labeller, task.control == "repeat"))),
        comments=tuple(comments),
    )


class Made:
    """Which tasks came to a ranking."""

    def __init__(self, rankings: Iterable[Ranking], ranks: Ranks) -> None:
        self.ranked: set[tuple[int, int, bool, frozenset[int]]] = set()
        self.standing: set[tuple[int, int, bool, frozenset[int]]] = set()
        for ranking in rankings:
            if ranking.origin not in (Origin.HERE, Origin.REPEATED):
                continue
            repeated = ranking.origin == Origin.REPEATED
            responses = frozenset(response for response, _ in ranks[ranking.pk])
            key = (ranking.prompt_id, ranking.member_id, repeated, responses)
            self.ranked.add(key)
            if ranking.is_current or repeated:
                self.standing.add(key)

    def task(self, row: Task, ids: Mapping[int, str]) -> FileTask | None:
        """Return the assignment as an archive keeps it; None for one that is only open."""
        key = (row.prompt_id, row.member_id, row.repeat, frozenset(row.order))
        submitted_at = row.submitted_at if key in self.standing else None
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
