"""The queue of waiting prompts as a labeller sees it, in SQL.

Django's ORM cannot say these: they read ranges of the index prompt_queue or
prompt_queue_came_back, from the labeller's place in the queue on, and lock no more than they take.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection
from django.db.models.expressions import RawSQL
from django.utils import timezone

from labelapp.models import Member, Prompt

ABOVE_ALL = 2**31 - 1  # the priority of a place above every prompt
NAMES = re.compile(r"%\((\w+)\)s")  # of the values in a statement

# Without those that the member was assigned before, and those that they ranked elsewhere (an
# import). The offset keeps PostgreSQL from making a join of it, for which it reads all that is
# finished: up to the labeller's place; as it is, it looks up each prompt.
WAITING = """
    SELECT {columns} FROM labelapp_prompt p
    WHERE p.project_id = %(project)s AND p.rankings_needed > 0 AND NOT p.reserved AND {where}
    AND NOT EXISTS (SELECT 1 FROM labelapp_assignment a
        WHERE a.prompt_id = p.id AND a.member_id = %(member)s LIMIT 1 OFFSET 0)
    AND NOT EXISTS (SELECT 1 FROM labelapp_ranking r
        WHERE r.prompt_id = p.id AND r.member_id = %(member)s LIMIT 1 OFFSET 0)
    ORDER BY p.priority DESC, p.id LIMIT {limit} {lock}"""
AS_URGENT = "p.priority = %(priority)s AND p.id > %(prompt)s"
LESS_URGENT = "p.priority < %(priority)s"
CAME_BACK = "p.came_back"
PASSED = "(p.priority > %(priority)s OR p.priority = %(priority)s AND p.id <= %(prompt)s)"
# The controls that the member was given today and that took nothing from the queue. A gold prompt
# that still needs rankings waited for the member itself.
CONTROLS = """
    (SELECT count(*) FROM labelapp_assignment a JOIN labelapp_prompt p ON p.id = a.prompt_id
    WHERE a.member_id = %(member)s AND (a.gold OR a.repeat) AND a.created_at >= %(midnight)s
    AND (a.repeat OR p.rankings_needed = 0))"""
LOCKED = "FOR NO KEY UPDATE OF p SKIP LOCKED"  # a ranking of the prompt can be stored meanwhile

# What a manager has assigned to the member and they have not been given yet.
ASSIGNED = """
    SELECT {columns} FROM labelapp_assignee s JOIN labelapp_prompt p ON p.id = s.prompt_id
    WHERE s.member_id = %(member)s AND s.waits AND p.rankings_needed > 0 AND {where}
    AND p.project_id = %(project)s
    AND NOT EXISTS (SELECT 1 FROM labelapp_assignment a
        WHERE a.prompt_id = p.id AND a.member_id = %(member)s LIMIT 1 OFFSET 0)
    AND NOT EXISTS (SELECT 1 FROM labelapp_ranking r
        WHERE r.prompt_id = p.id AND r.member_id = %(member)s LIMIT 1 OFFSET 0)
    ORDER BY p.priority DESC, p.id LIMIT {limit} {lock}"""

# The first prompt that is assigned to the member. Then the first behind the place, or the first of
# those that came back if that is more urgent. The inner limits keep what is less urgent from being
# looked at, and locked, without need.
TAKE = """
    UPDATE labelapp_prompt SET rankings_needed = rankings_needed - 1
    WHERE rankings_needed > 0 AND id = (
        SELECT id FROM (
            SELECT id FROM ({mine}) mine
            UNION ALL SELECT id FROM (
                SELECT id FROM (
                    SELECT * FROM (
                        SELECT * FROM ({here}) here UNION ALL SELECT * FROM ({below}) below LIMIT 1
                    ) behind
                    UNION ALL SELECT * FROM ({back}) back
                ) candidates ORDER BY priority DESC, id LIMIT 1
            ) anybody LIMIT 1
        ) chosen)
    RETURNING *, (SELECT s.id FROM labelapp_assignee s WHERE s.prompt_id = labelapp_prompt.id
        AND s.member_id = %(member)s AND s.waits) AS assignee"""
FREE_SLOT = """
    SELECT min(slot) FROM (
        SELECT 1 AS slot UNION ALL
        SELECT slot + 1 FROM labelapp_assignment WHERE prompt_id = %s AND slot IS NOT NULL
    ) candidates
    WHERE slot NOT IN (
        SELECT slot FROM labelapp_assignment WHERE prompt_id = %s AND slot IS NOT NULL)"""


class Waits(NamedTuple):
    """Count the prompts that wait for a member."""

    prompts: int  # to a limit, or somewhat above it
    controls: int  # that the member was given today


def place(member: Member, *, top: bool = False) -> dict[str, Any]:
    """Return the values of a statement that reads on from the member's place, or from the top."""
    top = top or member.queue_priority is None
    return {
        "project": member.project_id,
        "member": member.pk,
        "priority": ABOVE_ALL if top else member.queue_priority,
        "prompt": 0 if top else member.queue_prompt,
        "midnight": connection.ops.adapt_datetimefield_value(midnight()),
    }


def midnight() -> datetime:
    """Return the beginning of this day."""
    return timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)


def waiting(where: str, *, columns: str = "1", limit: int = 1, locked: bool = False) -> str:
    """Return the SQL that selects columns of what waits for a member in a part of the queue."""
    lock = LOCKED if locked and connection.features.has_select_for_update_skip_locked else ""
    return WAITING.format(where=where, columns=columns, limit=limit, lock=lock)


def assigned(where: str, *, columns: str = "1", limit: int = 1, locked: bool = False) -> str:
    """Return the SQL that selects columns of what is assigned to a member and waits for them."""
    lock = LOCKED if locked and connection.features.has_select_for_update_skip_locked else ""
    return ASSIGNED.format(where=where, columns=columns, limit=limit, lock=lock)


def take_prompt(member: Member, *, top: bool = False) -> Prompt | None:
    """Take a slot of the member's next prompt, which stays locked, and return the prompt.

    Its `assignee` is the key of the row by which it is assigned to the member, or None.
    """
    here, below, back = (
        waiting(where, columns="p.id, p.priority", locked=True)
        for where in (AS_URGENT, LESS_URGENT, CAME_BACK)
    )
    mine = assigned("true", columns="p.id", locked=True)
    statement = TAKE.format(mine=mine, here=here, below=below, back=back)
    return next(iter(list(Prompt.objects.raw(statement, place(member, top=top)))), None)


def free_slot(prompt_id: int) -> RawSQL:
    """Return an expression for a prompt's lowest slot that is free. Lock the prompt before."""
    return RawSQL(FREE_SLOT, [prompt_id, prompt_id])  # noqa: S611 - ours


def count(member: Member, most: int) -> Waits:
    """Count the prompts that wait for the member, to `most`, where take_prompt looks."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {counting(most)}, {CONTROLS}", place(member))
        return beyond(Waits(*cursor.fetchone()), member, most)


def beyond(waits: Waits, member: Member, most: int) -> Waits:
    """Count further, by the number of controls to subtract, if the count stopped at `most`."""
    if not waits.controls or waits.prompts < most:
        return waits
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {counting(most + waits.controls)}", place(member))
        return waits._replace(prompts=cursor.fetchone()[0])


def has_prompt(member: Member) -> bool:
    """Return whether a prompt waits for the member."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {counting(1)}", place(member))
        return bool(cursor.fetchone()[0])


def count_each(members: Sequence[Member], most: int) -> list[Waits]:
    """Count for several members in one statement."""
    if not members:
        return []
    columns: list[str] = []
    values: dict[str, Any] = {}
    for n, member in enumerate(members):
        columns.append(NAMES.sub(rf"%(\g<1>{n})s", f"{counting(most)}, {CONTROLS}"))
        values |= {f"{name}{n}": value for name, value in place(member).items()}
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(columns)}", values)
        counts = cursor.fetchone()
    return [
        beyond(Waits(counts[2 * n], counts[2 * n + 1]), member, most)
        for n, member in enumerate(members)
    ]


def counting(most: int) -> str:
    """Return the SQL that counts what waits for a member, each part to `most`.

    What is assigned to them but not reserved is among what waits for anybody.
    """
    parts = [
        waiting(where, limit=most)
        for where in (AS_URGENT, LESS_URGENT, f"{CAME_BACK} AND {PASSED}")
    ]
    parts.append(assigned("p.reserved", limit=most))
    return " + ".join(
        f"(SELECT count(*) FROM ({part}) part{n})"  # noqa: S608 - ours
        for n, part in enumerate(parts)
    )
