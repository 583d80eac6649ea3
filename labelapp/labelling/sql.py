"""The statements of a submit that brings the next task, written out.

Django takes several times as long to put a statement together as a database takes to answer it,
and labellers wait for these. What is asked for less often goes through the models. Where one locks
rows, call it in a transaction.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import connection
from django.db.models import Min
from django.utils import timezone

from labelapp.db.sql import change, columns, first, locking, moment_value, read, token_value
from labelapp.models import Assignment, Member, Prompt, Ranking, Response

NEAR = 50  # tasks that are looked at for one to repeat


def find_task(member: Member, token: UUID) -> Assignment | None:
    """The member's task with this token."""
    values = {"token": token_value(token), "member": member.pk}
    found = read(
        Assignment,
        f"SELECT {columns(Assignment)} FROM labelapp_assignment "  # noqa: S608 - ours, as below
        "WHERE token = %(token)s AND member_id = %(member)s",
        values,
    )
    return found[0] if found else None


def locked_task(pk: int) -> Assignment:
    """Raises Assignment.DoesNotExist."""
    found = read(
        Assignment,
        locking(f"SELECT {columns(Assignment)} FROM labelapp_assignment WHERE id = %(task)s"),  # noqa: S608
        {"task": pk},
    )
    if not found:
        raise Assignment.DoesNotExist(f"task {pk} is gone")
    return found[0]


def locked_open_tasks(member: Member) -> list[Assignment]:
    """The member's tasks that are neither ranked nor skipped, in the order of their prompts."""
    return read(
        Assignment,
        locking(
            f"""
            SELECT {columns(Assignment)} FROM labelapp_assignment WHERE member_id = %(member)s
            AND submitted_at IS NULL AND skipped_at IS NULL ORDER BY prompt_id"""  # noqa: S608
        ),
        {"member": member.pk},
    )


def lock_member(member: Member) -> None:
    """Hold the member's row, and bring what changes while they label up to date.

    Raises Member.DoesNotExist where they are gone.
    """
    row = first(
        locking(
            """
            SELECT ranked, is_active, queue_priority, queue_prompt FROM labelapp_member
            WHERE id = %(member)s""",
            "FOR NO KEY UPDATE",
        ),
        {"member": member.pk},
    )
    if row is None:
        raise Member.DoesNotExist(f"member {member.pk} is gone")
    member.ranked, is_active, member.queue_priority, member.queue_prompt = row
    member.is_active = bool(is_active)


def store_count(member: Member) -> None:
    """Write how many prompts the member has ranked."""
    values = {"ranked": member.ranked, "member": member.pk}
    change("UPDATE labelapp_member SET ranked = %(ranked)s WHERE id = %(member)s", values)


def store_place(member: Member) -> None:
    """Write the member's place in the queue."""
    change(
        """
        UPDATE labelapp_member SET queue_priority = %(priority)s, queue_prompt = %(prompt)s
        WHERE id = %(member)s""",
        {
            "priority": member.queue_priority,
            "prompt": member.queue_prompt,
            "member": member.pk,
        },
    )


def store_submit(assignment: Assignment, seconds: float) -> None:
    """Write that the task is ranked, for the first time or once more."""
    change(
        """
        UPDATE labelapp_assignment SET slot = %(slot)s, seconds = %(seconds)s, draft = '{}',
        submitted_at = coalesce(submitted_at, %(now)s), skipped_at = NULL, skip_reason = ''
        WHERE id = %(task)s""",
        {
            "slot": assignment.slot,
            "seconds": seconds,
            "now": moment_value(timezone.now()),
            "task": assignment.pk,
        },
    )


def content_hashes(responses: Sequence[int]) -> list[str]:
    """Of the texts of the responses with these ids."""
    if not responses:
        return []
    places = ", ".join(["%s"] * len(responses))
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT content_hash FROM labelapp_response WHERE id IN ({places})",  # noqa: S608 - ours
            responses,
        )
        return [name for (name,) in cursor.fetchall()]


def versions(prompt_id: int, member_id: int, responses_hash: str) -> list[Ranking]:
    """What a member has said of those responses, the newest last."""
    return read(
        Ranking,
        f"""
        SELECT {columns(Ranking)} FROM labelapp_ranking WHERE prompt_id = %(prompt)s
        AND member_id = %(member)s AND responses_hash = %(hash)s ORDER BY version""",  # noqa: S608
        {"prompt": prompt_id, "member": member_id, "hash": responses_hash},
    )


def responses(prompt: Prompt) -> list[Response]:
    """Of the prompt, in the order of their ids."""
    return read(
        Response,
        f"SELECT {columns(Response)} FROM labelapp_response "  # noqa: S608
        "WHERE prompt_id = %(prompt)s ORDER BY id",
        {"prompt": prompt.pk},
    )


def gold_ranking(member: Member) -> tuple[int, int] | None:
    """A gold ranking by somebody else, at random, and its prompt, which the member has not had.

    Looks at every gold ranking there is: managers mark them by hand, and they are an index.
    """
    return first(
        """
        SELECT r.id, r.prompt_id FROM labelapp_ranking r
        JOIN labelapp_prompt p ON p.id = r.prompt_id
        WHERE r.is_gold AND p.project_id = %(project)s AND NOT p.taken_out
        AND NOT EXISTS (SELECT 1 FROM labelapp_assignment a
            WHERE a.prompt_id = r.prompt_id AND a.member_id = %(member)s LIMIT 1 OFFSET 0)
        AND NOT EXISTS (SELECT 1 FROM labelapp_ranking own
            WHERE own.prompt_id = r.prompt_id AND own.member_id = %(member)s LIMIT 1 OFFSET 0)
        ORDER BY random() LIMIT 1""",
        {"project": member.project_id, "member": member.pk},
    )


def ranked_responses(ranking_id: int) -> list[int]:
    """The responses that a ranking is of."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT response_id FROM labelapp_placement WHERE ranking_id = %(ranking)s",
            {"ranking": ranking_id},
        )
        return [response for (response,) in cursor.fetchall()]


def first_submit(member: Member) -> datetime | None:
    """When the member ranked first of what they have ranked, nothing undone."""
    done = Assignment.objects.ranked().filter(member_id=member.pk)
    return done.aggregate(first=Min("submitted_at"))["first"]


def task_to_repeat(
    member: Member, *, moment: datetime, until: datetime, later_first: bool
) -> Assignment | None:
    """A task that the member ranked around a moment, not after `until`, and was not given again.

    Looks at NEAR of their tasks after the moment, and at as many before it, or before it first.
    Passes over prompts that are taken out of the queue.
    """
    values = {
        "member": member.pk,
        "moment": moment_value(moment),
        "until": moment_value(until),
    }
    later = "submitted_at BETWEEN %(moment)s AND %(until)s ORDER BY submitted_at"
    earlier = "submitted_at < %(moment)s ORDER BY submitted_at DESC"
    for near in (later, earlier) if later_first else (earlier, later):
        found = read(
            Assignment,
            f"""
            SELECT {columns(Assignment, "a")} FROM (SELECT * FROM labelapp_assignment
                WHERE member_id = %(member)s AND submitted_at IS NOT NULL AND {near} LIMIT {NEAR}) a
            JOIN labelapp_prompt p ON p.id = a.prompt_id
            WHERE NOT a.repeat AND NOT p.taken_out
            AND NOT EXISTS (SELECT 1 FROM labelapp_assignment again WHERE again.repeat
                AND again.prompt_id = a.prompt_id AND again.member_id = a.member_id)
            AND EXISTS (SELECT 1 FROM labelapp_ranking r WHERE r.prompt_id = a.prompt_id
                AND r.member_id = a.member_id AND r.is_current AND r.origin = 'here')
            LIMIT 1""",  # noqa: S608 - ours
            values,
        )
        if found:
            return found[0]
    return None


def take(prompt: Prompt) -> bool:
    """Count one ranking less that the prompt needs; False where it needs none."""
    return bool(
        change(
            """
            UPDATE labelapp_prompt SET rankings_needed = rankings_needed - 1
            WHERE id = %(prompt)s AND rankings_needed > 0""",
            {"prompt": prompt.pk},
        )
    )


def want_once_more(prompt: Prompt) -> bool:
    """Count one ranking more that a prompt wants which was taken out; False where it was not."""
    return bool(
        change(
            """
            UPDATE labelapp_prompt SET rankings_wanted = rankings_wanted + 1
            WHERE id = %(prompt)s AND taken_out""",
            {"prompt": prompt.pk},
        )
    )


def slots(prompt: Prompt) -> set[int]:
    """The prompt's slots that are taken."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT slot FROM labelapp_assignment
            WHERE prompt_id = %(prompt)s AND slot IS NOT NULL""",
            {"prompt": prompt.pk},
        )
        return {slot for (slot,) in cursor.fetchall()}


def any_expired(now: datetime) -> bool:
    """Whether a lease has run out whose slot is not handed on yet."""
    row = first(
        """
        SELECT 1 FROM labelapp_assignment
        WHERE submitted_at IS NULL AND slot IS NOT NULL AND expires_at < %(now)s LIMIT 1""",
        {"now": moment_value(now)},
    )
    return row is not None


def ranked_since(member: Member, moment: datetime) -> int:
    """How many prompts the member has ranked since then."""
    row = first(
        """
        SELECT count(*) FROM labelapp_assignment WHERE member_id = %(member)s
        AND submitted_at IS NOT NULL AND submitted_at >= %(since)s""",
        {"member": member.pk, "since": moment_value(moment)},
    )
    return int(row[0]) if row else 0
