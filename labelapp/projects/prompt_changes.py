"""Changes of many prompts by a manager, of which the last one can be undone."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import product
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import F, QuerySet, Value
from django.db.models.functions import Greatest
from django.utils import timezone

from labelapp.db.bulk import insert_rows, pieces
from labelapp.labelling import controls
from labelapp.models import (
    Assignee,
    Event,
    Member,
    Origin,
    Project,
    Prompt,
    PromptChange,
    PromptTag,
    Ranking,
    Tag,
    User,
)
from labelapp.notifications import telling
from labelapp.projects import assignees
from labelapp.projects.members import lock_members
from labelapp.projects.prompt_queue import locked

MAX_GOLD = 1000  # rankings that are made gold at once
MAX_UNDONE = 20_000  # prompts of one change; a larger one cannot be undone
AT_ONCE = 1000  # prompts in one statement


class PromptValues(NamedTuple):
    """The values of a prompt that a change may change."""

    priority: int
    wanted: int
    taken_out: bool
    reserved: bool = False
    assignees: tuple[int, ...] = ()  # members
    tags: tuple[int, ...] = ()

    @classmethod
    def of(cls, values: Sequence[Any]) -> "PromptValues":
        """Return the values that JSON holds as a list."""
        known: list[Any] = [tuple(one) if isinstance(one, list) else one for one in values]
        return cls(*known)


def values_of(prompts: QuerySet[Prompt]) -> dict[int, PromptValues]:
    """Return the present values of prompts, of MAX_UNDONE + 1 at most."""
    columns = ("pk", "priority", "rankings_wanted", "taken_out", "reserved")
    rows = list(prompts.order_by("pk").values_list(*columns)[: MAX_UNDONE + 1])
    found: dict[int, PromptValues] = {}
    for some in pieces(rows, AT_ONCE):
        keys = [row[0] for row in some]
        people = grouped(Assignee.objects.filter(prompt__in=keys), "member")
        tags = grouped(PromptTag.objects.filter(prompt__in=keys), "tag")
        for pk, *values in some:
            found[pk] = PromptValues._make((*values, tuple(people[pk]), tuple(tags[pk])))
    return found


def grouped(rows: QuerySet[Any], column: str) -> defaultdict[int, list[int]]:
    """Return a column of rows by their prompt, in order."""
    found: defaultdict[int, list[int]] = defaultdict(list)
    for prompt, value in rows.order_by(column).values_list("prompt", column):
        found[prompt].append(value)
    return found


@transaction.atomic
def carry_out(
    change: Callable[[], int], *, prompts: QuerySet[Prompt], project: Project, by: User
) -> int:
    """Change prompts, keep their earlier values for an undo, and return the number of prompts.

    Members who are assigned some are told.
    """
    lock_members(project)
    before = values_of(locked(prompts))
    known_tags = set(project.tags.values_list("pk", flat=True))
    number = change()
    project.prompt_changes.filter(user=by).delete()
    groups = defaultdict(list)
    for pks in pieces(list(before), AT_ONCE):
        for pk, after in values_of(Prompt.objects.filter(pk__in=pks)).items():
            if after != before[pk]:
                groups[before[pk], after].append(pk)
    key = f"assigned-{project.pk}-{timezone.now().isoformat()}"
    if number and len(before) <= MAX_UNDONE:
        rows = [[list(old), list(new), keys] for (old, new), keys in groups.items()]
        made = {tag for _, new in groups for tag in new.tags} - known_tags
        kept = PromptChange.objects.create(
            project=project, user=by, rows=rows, made_tag_id=next(iter(made), None)
        )
        key = told_key(kept)
    given = {member for old, new in groups for member in {*new.assignees} - {*old.assignees}}
    waiting = assignees.count_waiting(given)
    telling.tell_of_tasks(project, Event.TASK_ASSIGNED, key=key, counts=waiting, by=by)
    return number


def told_key(change: PromptChange) -> str:
    """Return the key by which assignees are told of a change."""
    return f"assigned-{change.pk}"


@transaction.atomic
def make_gold(*, prompts: QuerySet[Prompt], project: Project, by: User) -> int:
    """Make the adjudicated rankings of prompts gold where they can be; return their number.

    Looks at MAX_GOLD decisions at most.
    """
    decided = Ranking.objects.counting().filter(
        origin=Origin.ADJUDICATED, is_gold=False, prompt__in=prompts.order_by().values("pk")
    )
    marked: dict[int, list[int | None]] = {}  # by prompt, of which one ranking can be gold
    for ranking in decided.order_by("prompt", "pk")[:MAX_GOLD]:
        if ranking.prompt_id not in marked:
            with suppress(controls.NotGoldError):
                instead_of = controls.mark_gold(ranking).instead_of
                marked[ranking.prompt_id] = [ranking.pk, instead_of.pk if instead_of else None]
    project.prompt_changes.filter(user=by).delete()
    if marked:
        gold = list(marked.values())
        PromptChange.objects.create(project=project, user=by, rows=[], gold=gold)
    return len(marked)


def last_change(project: Project, by: User) -> PromptChange | None:
    """Return the person's last change of the project's prompts, if it can be undone."""
    return project.prompt_changes.filter(user=by).first()


@transaction.atomic
def undo(change: PromptChange) -> int:
    """Undo a change and return the number of prompts.

    Prompts that somebody has changed since are left alone, and nobody's ranking or open assignment
    is touched: what a prompt wants does not fall below the slots that are taken. A tag that the
    change made goes, unless a prompt has it.
    """
    lock_members(change.project)
    telling.withdraw(change.project, told_key(change))
    number = 0
    for before, after, pks in change.rows:
        for some in pieces(pks, AT_ONCE):
            number += restore(some, PromptValues.of(before), PromptValues.of(after))
    for ranking, earlier in change.gold:
        number += restore_gold(ranking, earlier)
    if change.made_tag_id is not None:
        Tag.objects.filter(pk=change.made_tag_id, prompt_tags=None).delete()
    change.delete()
    return number


def restore(pks: Sequence[int], before: PromptValues, after: PromptValues) -> int:
    """Restore the earlier values of prompts that nobody has changed since; return their number."""
    stands = values_of(locked(Prompt.objects.filter(pk__in=pks)))
    same = [pk for pk in pks if stands.get(pk) == after]
    prompts = Prompt.objects.filter(pk__in=same)
    taken = F("rankings_wanted") - F("rankings_needed")
    values: dict[str, Any] = {"priority": before.priority, "taken_out": before.taken_out}
    if before.wanted != after.wanted:
        values["rankings_wanted"] = Greatest(taken, Value(before.wanted))
        values["rankings_needed"] = Greatest(Value(before.wanted) - taken, Value(0))
    if before.priority > after.priority or before.wanted > after.wanted:
        values["came_back"] = True  # labellers may already be past this place in the queue
    prompts.update(**values)
    if (before.assignees, before.reserved) != (after.assignees, after.reserved):
        restore_assignees(same, before)
    if before.tags != after.tags:
        restore_tags(same, before)
    return len(same)


def restore_assignees(pks: Sequence[int], before: PromptValues) -> None:
    """Assign prompts as before, but to nobody who has left or is left out meanwhile."""
    members = Member.objects.filter(
        pk__in=before.assignees, is_active=True, user__is_active=True, excluded_from=None
    )
    people = list(members.values_list("pk", flat=True))
    assignees.replace(pks, product(pks, people), reserved=before.reserved and bool(people))


def restore_tags(pks: Sequence[int], before: PromptValues) -> None:
    """Tag prompts as before, but with no tag that is deleted meanwhile."""
    tags = list(Tag.objects.filter(pk__in=before.tags).values_list("pk", flat=True))
    PromptTag.objects.filter(prompt__in=pks).delete()
    insert_rows(PromptTag, ("prompt", "tag"), list(product(pks, tags)))


def restore_gold(ranking: int, earlier: int | None) -> int:
    """Measure labellers by the earlier gold ranking of a prompt, or by none, as before."""
    unmarked = Ranking.objects.filter(pk=ranking, is_gold=True).update(is_gold=False)
    if unmarked and earlier:
        Ranking.objects.filter(pk=earlier).update(is_gold=True)
    return unmarked
