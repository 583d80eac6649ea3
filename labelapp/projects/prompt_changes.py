"""Changes of many prompts by a manager, of which the last one can be undone."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import F, QuerySet, Value
from django.db.models.functions import Greatest

from labelapp.models import Project, Prompt, PromptChange, User
from labelapp.projects.prompts import locked

MAX_UNDONE = 20_000  # prompts of one change; a larger one cannot be undone
AT_ONCE = 1000  # prompts in one statement


class Standing(NamedTuple):
    """What a change may change of a prompt."""

    priority: int
    wanted: int
    taken_out: bool


def standings(prompts: QuerySet[Prompt]) -> dict[int, Standing]:
    rows = prompts.order_by("pk").values_list("pk", "priority", "rankings_wanted", "taken_out")
    return {
        pk: Standing(priority, wanted, taken_out)
        for pk, priority, wanted, taken_out in rows[: MAX_UNDONE + 1]
    }


@transaction.atomic
def carry_out(
    change: Callable[[], int], *, prompts: QuerySet[Prompt], project: Project, by: User
) -> int:
    """Change prompts and return their number, and remember how they stood before."""
    before = standings(locked(prompts))
    number = change()
    project.prompt_changes.filter(user=by).delete()
    if number and len(before) <= MAX_UNDONE:
        groups = defaultdict(list)
        for pks in chunks(list(before)):
            for pk, after in standings(Prompt.objects.filter(pk__in=pks)).items():
                if after != before[pk]:
                    groups[before[pk], after].append(pk)
        rows = [[list(old), list(new), pks] for (old, new), pks in groups.items()]
        PromptChange.objects.create(project=project, user=by, rows=rows)
    return number


def last_change(project: Project, by: User) -> PromptChange | None:
    """Return the person's last change of the project's prompts, if it can be undone."""
    return project.prompt_changes.filter(user=by).first()


@transaction.atomic
def undo(change: PromptChange) -> int:
    """Undo a change and return the number of prompts.

    Prompts that somebody has changed since are left alone, and nobody's ranking or open assignment
    is touched: what a prompt wants does not fall below the slots that are taken.
    """
    number = 0
    for before, after, pks in change.rows:
        for some in chunks(pks):
            number += restore(some, Standing(*before), Standing(*after))
    change.delete()
    return number


def restore(pks: Sequence[int], before: Standing, after: Standing) -> int:
    same = Prompt.objects.filter(
        pk__in=pks,
        priority=after.priority,
        rankings_wanted=after.wanted,
        taken_out=after.taken_out,
    )
    taken = F("rankings_wanted") - F("rankings_needed")
    values: dict[str, Any] = {"priority": before.priority, "taken_out": before.taken_out}
    if before.wanted != after.wanted:
        values["rankings_wanted"] = Greatest(taken, Value(before.wanted))
        values["rankings_needed"] = Greatest(Value(before.wanted) - taken, Value(0))
    if before.priority > after.priority or before.wanted > after.wanted:
        values["came_back"] = True  # labellers may already be past this place in the queue
    return locked(same).update(**values)


def chunks(pks: Sequence[int]) -> list[Sequence[int]]:
    return [pks[start : start + AT_ONCE] for start in range(0, len(pks), AT_ONCE)]
