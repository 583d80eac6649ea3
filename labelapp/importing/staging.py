"""Stage the rows of an import in a hidden project, and publish them in one short transaction.

SQLite has one writer. So that labellers can write meanwhile, an import commits its batches one by
one, into a project that no page shows, and `publish` moves the rows to their project. A prompt or a
member that the project already has is represented by a copy, to which new rows refer until then.
With PostgreSQL nobody waits for an import: it writes to its project, in a single transaction.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import Any

from django.db import DatabaseError, IntegrityError, OperationalError, connection, transaction
from django.db.models import QuerySet

from labelapp.db.locks import Holder, TakenError, WorkLock
from labelapp.db.retry import with_retries
from labelapp.db.writer import write
from labelapp.models import (
    Assignment,
    Comment,
    Placement,
    Project,
    Prompt,
    Ranking,
    Rating,
    Response,
)
from labelapp.models.projects import HIDDEN

PREFIX = f"{HIDDEN}import-"  # of the slugs of hidden projects; the key of the project follows
DELETED_AT_ONCE = 500  # prompts
RUNNING = "Another import into this project is running. Try again when it has ended"
CHANGED = "The project was changed while the file was imported. Import the file again"

# The original of a copy has the same content hash, or the same name.
HAND_OVER = """
    UPDATE {table} SET {parent}_id = original.id
    FROM labelapp_{parent} copy CROSS JOIN labelapp_{parent} original
    WHERE copy.project_id = %(staging)s AND original.project_id = %(project)s
    AND original.{key} = copy.{key} AND {table}.{parent}_id = copy.id"""
# As fill_slots does, for the assignments that are handed over next.
FILL_SLOTS = """
    UPDATE labelapp_prompt SET rankings_needed = max(0, rankings_needed - slots),
    rankings_wanted = rankings_wanted + max(0, slots - rankings_needed)
    FROM (SELECT original.id AS prompt, count(*) AS slots FROM labelapp_prompt copy
        CROSS JOIN labelapp_prompt original CROSS JOIN labelapp_assignment assignment
        WHERE copy.project_id = %(staging)s AND original.project_id = %(project)s
        AND original.content_hash = copy.content_hash AND assignment.prompt_id = copy.id
        AND assignment.slot IS NOT NULL GROUP BY original.id)
    WHERE id = prompt"""
UPDATE_ORIGINALS = """
    UPDATE labelapp_prompt SET {values} FROM labelapp_prompt copy
    WHERE copy.project_id = %(staging)s AND labelapp_prompt.project_id = %(project)s
    AND labelapp_prompt.content_hash = copy.content_hash AND {condition}"""
NAME = UPDATE_ORIGINALS.format(
    values="external_id = copy.external_id",
    condition="labelapp_prompt.external_id IS NULL AND copy.external_id IS NOT NULL",
)
QUEUE = UPDATE_ORIGINALS.format(
    values="came_back = true, rankings_wanted = copy.rankings_wanted, "
    "rankings_needed = copy.rankings_needed",
    condition="copy.came_back AND labelapp_prompt.rankings_wanted = 0 "
    "AND NOT labelapp_prompt.taken_out",
)
MOVE_PROMPTS = """
    UPDATE labelapp_prompt SET project_id = %(project)s
    WHERE project_id = %(staging)s AND messages <> '[]'"""
MOVE_MEMBERS = """
    UPDATE labelapp_member SET project_id = %(project)s WHERE project_id = %(staging)s
    AND name NOT IN (SELECT name FROM labelapp_member WHERE project_id = %(project)s)"""
OF_MEMBER = (Ranking, Assignment, Comment)
OF_PROMPT = (*OF_MEMBER, Response)  # responses last: rankings refer to them
PUBLISH = (
    FILL_SLOTS,
    NAME,
    QUEUE,
    *(
        HAND_OVER.format(table=model._meta.db_table, parent="prompt", key="content_hash")
        for model in OF_PROMPT
    ),
    *(
        HAND_OVER.format(table=model._meta.db_table, parent="member", key="name")
        for model in OF_MEMBER
    ),
    MOVE_PROMPTS,
    MOVE_MEMBERS,
)
LOST_ORIGINALS = """
    SELECT count(*) FROM labelapp_prompt copy WHERE project_id = %(staging)s AND messages = '[]'
    AND NOT EXISTS (SELECT 1 FROM labelapp_prompt original
        WHERE original.project_id = %(project)s AND original.content_hash = copy.content_hash)"""


@contextmanager
def staged(project: Project) -> Iterator[Project]:
    """Yield the project to which an import writes, and delete what it leaves there unpublished.

    Imports into one project run one after the other: each must see what the other added. Raises
    OperationalError if another one is running.
    """
    if connection.vendor == "postgresql":
        with one_transaction(project):
            yield project
        return
    slug = f"{PREFIX}{project.pk}"
    try:
        with WorkLock(slug).held():
            delete(slug)  # what a killed import left
            try:
                yield Project.including_hidden.create(slug=slug, name=f"Import into {project.slug}")
            finally:
                with_retries(lambda: delete(slug))
    except TakenError as error:
        raise OperationalError(RUNNING) from error


@contextmanager
def one_transaction(project: Project) -> Iterator[None]:
    """Open a transaction in which PostgreSQL plans for the tables as they grow.

    A prepared statement keeps its first plan. A plan made for empty tables reads them whole in
    every batch, so each batch would be slower than the one before. The constraints of all rows are
    checked at the end, one by one, and must not be planned one by one.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL plan_cache_mode = force_custom_plan")
        Project.objects.select_for_update(no_key=True).get(pk=project.pk)
        yield
        cursor.execute("SET LOCAL plan_cache_mode = auto")
        cursor.execute("DISCARD PLANS")  # made by an earlier import for smaller tables


def batch_transaction() -> AbstractContextManager[None]:
    """Return the transaction of a batch; PostgreSQL has one for all."""
    return nullcontext() if connection.vendor == "postgresql" else write()


@contextmanager
def published(project: Project, staging: Project) -> Iterator[None]:
    """Publish what was staged, in one transaction with the writes of the block.

    Raises OperationalError if others have changed the project so that the rows no longer fit.
    """
    if staging == project:
        yield
        return
    projects = {"project": project.pk, "staging": staging.pk}
    try:
        with write(), connection.cursor() as cursor:
            if cursor.execute(LOST_ORIGINALS, projects).fetchone() != (0,):
                raise OperationalError(CHANGED)
            for statement in PUBLISH:
                cursor.execute(statement, projects)
            yield
    except IntegrityError as error:
        raise OperationalError(CHANGED) from error


def delete(slug: str) -> None:
    """Delete a hidden project and all its rows, a few prompts in each transaction."""
    staging = Project.including_hidden.filter(slug=slug).first()
    if staging is None:
        return
    prompts = Prompt.objects.filter(project=staging).order_by("pk").values_list("pk", flat=True)
    while some := list(prompts[:DELETED_AT_ONCE]):
        with write():
            delete_prompts(some)
    with write():
        staging.members.all().delete()
        staging.delete()


def delete_prompts(prompts: Sequence[int]) -> None:
    """Delete prompts and all rows that refer to them, without reading the rows."""
    rows: tuple[QuerySet[Any], ...] = (
        Placement.objects.filter(ranking__prompt__in=prompts),
        Rating.objects.filter(ranking__prompt__in=prompts),
        *(model._default_manager.filter(prompt__in=prompts) for model in OF_PROMPT),
        Prompt.objects.filter(pk__in=prompts),
    )
    for some in rows:
        some._raw_delete(connection.alias)


def delete_abandoned() -> None:
    """Delete what killed imports left. Leaves it to the next call if the database is busy."""
    with suppress(DatabaseError, TakenError):
        hidden = Project.including_hidden.filter(slug__startswith=PREFIX)
        for slug in list(hidden.values_list("slug", flat=True)):
            if WorkLock(slug).holder() != Holder.ALIVE:
                with WorkLock(slug).held():
                    delete(slug)
