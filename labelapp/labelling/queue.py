"""The queue of waiting prompts as a labeller sees it, in SQL.

These are the statements of every submit, so they are written out: Django takes several times as
long to put them together as a database takes to answer them. Each reads a range of the index
prompt_queue or prompt_queue_came_back, from the labeller's place in the queue on.
"""

import re
from collections.abc import Sequence
from typing import Any

from django.db import connection

from labelapp.db.sql import columns, read
from labelapp.models import Member, Prompt

ABOVE_ALL = 2**31 - 1  # the priority of a place above every prompt
NAMES = re.compile(r"%\((\w+)\)s")  # of the values in a statement

# Not those that were lent to the member before, nor those that they ranked elsewhere (an import).
# The offset keeps PostgreSQL from making a join of it, for which it reads all that is finished: up
# to the labeller's place; as it is, it looks up each prompt.
WAITING = """
    SELECT {columns} FROM labelapp_prompt p
    WHERE p.project_id = %(project)s AND p.rankings_needed > 0 AND {where}
    AND NOT EXISTS (SELECT 1 FROM labelapp_assignment a
        WHERE a.prompt_id = p.id AND a.member_id = %(member)s LIMIT 1 OFFSET 0)
    AND NOT EXISTS (SELECT 1 FROM labelapp_ranking r
        WHERE r.prompt_id = p.id AND r.member_id = %(member)s LIMIT 1 OFFSET 0)
    ORDER BY p.priority DESC, p.id LIMIT {limit} {lock}"""
AS_URGENT = "p.priority = %(priority)s AND p.id > %(prompt)s"
LESS_URGENT = "p.priority < %(priority)s"
CAME_BACK = "p.came_back"
PASSED = "(p.priority > %(priority)s OR p.priority = %(priority)s AND p.id <= %(prompt)s)"
# Tasks that the member has in hand and that took nothing from the queue.
CONTROLS = """
    (SELECT count(*) FROM labelapp_assignment WHERE member_id = %(member)s
    AND submitted_at IS NULL AND skipped_at IS NULL AND (gold OR repeat) AND NOT taken_back)"""
LOCKED = "FOR NO KEY UPDATE SKIP LOCKED"  # not against who stores a ranking of the prompt


def place(member: Member) -> dict[str, Any]:
    top = member.queue_priority is None
    return {
        "project": member.project_id,
        "member": member.pk,
        "priority": ABOVE_ALL if top else member.queue_priority,
        "prompt": 0 if top else member.queue_prompt,
    }


def waiting(where: str, *, columns: str = "1", limit: int = 1, locked: bool = False) -> str:
    lock = LOCKED if locked and connection.features.has_select_for_update_skip_locked else ""
    return WAITING.format(where=where, columns=columns, limit=limit, lock=lock)


def next_prompts(member: Member) -> list[Prompt]:
    """Up to two prompts, locked, of which the more urgent is the member's next one.

    The first behind their place in the queue, and the first of those that came back.
    """
    here, below, back = (
        f"SELECT * FROM ({waiting(where, columns=columns(Prompt, 'p'), locked=True)}) {name}"  # noqa: S608 - ours
        for name, where in (("here", AS_URGENT), ("below", LESS_URGENT), ("back", CAME_BACK))
    )
    # The limit keeps what is less urgent from being looked at, and locked, without need.
    behind = f"SELECT * FROM ({here} UNION ALL {below} LIMIT 1) behind"  # noqa: S608 - ours
    return read(Prompt, f"{behind} UNION ALL {back}", place(member))


def count(member: Member, most: int) -> int:
    """How many prompts wait for the member, counted to `most`, where next_prompts looks."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {counting(most)}, {CONTROLS}", place(member))
        waits, controls = cursor.fetchone()
        return left(waits, controls, most)


def holds_some(member: Member) -> bool:
    """Whether a prompt waits for the member."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {counting(1)}", place(member))
        return bool(cursor.fetchone()[0])


def count_each(members: Sequence[Member], most: int) -> dict[int, int]:
    """The same for several members, by their projects, in one statement."""
    if not members:
        return {}
    columns: list[str] = []
    values: dict[str, Any] = {}
    for n, member in enumerate(members):
        columns.append(NAMES.sub(rf"%(\g<1>{n})s", f"{counting(most)}, {CONTROLS}"))
        values |= {f"{name}{n}": value for name, value in place(member).items()}
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(columns)}", values)
        counts = cursor.fetchone()
    return {
        member.project_id: left(counts[2 * n], counts[2 * n + 1], most)
        for n, member in enumerate(members)
    }


def left(waits: int, controls: int, most: int) -> int:
    """Less the controls that a member has in hand: each stands for a prompt that waits.

    Or a labeller would know them by a number that does not go down.
    """
    return max(0, min(int(waits) - int(controls), most))


def counting(most: int) -> str:
    """The SQL that counts what waits for a member, each part to `most`."""
    parts = (AS_URGENT, LESS_URGENT, f"{CAME_BACK} AND {PASSED}")
    return " + ".join(
        f"(SELECT count(*) FROM ({waiting(where, limit=most)}) part{n})"  # noqa: S608 - ours
        for n, where in enumerate(parts)
    )
