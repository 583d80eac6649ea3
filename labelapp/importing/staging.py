"""Stage the rows of an import in a hidden project, and publish them in one short transaction.

SQLite has one writer. So that labellers can write meanwhile, an import commits its batches one by
one, into a project that no page shows, and `published` moves the rows to their project. A prompt
or a member that the project already has is represented by a copy, to which new rows refer until
then. With PostgreSQL nobody waits for an import: it writes to its project, in one transaction.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import Any

from django.db import DatabaseError, IntegrityError, OperationalError, connection, transaction
from django.db.backends.utils import CursorWrapper
from django.db.models import QuerySet

from labelapp.db.locks import Holder, TakenError, WorkLock
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
DELETED_AT_ONCE = 2000  # prompts
CACHE_KIB = 2**16  # of SQLite's page cache while rows are published, which is faster then
RUNNING = "Another import into this project is running. Try again when it has ended"
CHANGED = "The project was changed while the file was imported. Import the file again"

COPY = """
    INSERT INTO labelapp_prompt (project_id, messages, content_hash, external_id, priority,
        rankings_wanted, rankings_needed, came_back, taken_out, created_at)
    SELECT %s, '[]', content_hash, external_id, 0, rankings_wanted, 0, false, taken_out, created_at
    FROM labelapp_prompt WHERE id IN ({ids})"""

# The original of a copy has its content hash, or its name.
FIND_ORIGINALS = """
    CREATE TEMP TABLE {parent}_copy AS SELECT copy.id AS copy, original.id AS original
    FROM labelapp_{parent} copy CROSS JOIN labelapp_{parent} original
    WHERE copy.project_id = %(staging)s AND original.project_id = %(project)s
    AND original.{key} = copy.{key}"""
LOST_ORIGINALS = """
    SELECT count(*) FROM labelapp_prompt WHERE project_id = %(staging)s AND messages = '[]'
    AND id NOT IN (SELECT copy FROM prompt_copy)"""
FORGET_ORIGINALS = "DROP TABLE IF EXISTS temp.{parent}_copy"
KEYS = {"prompt": "content_hash", "member": "name"}

UPDATE_ORIGINALS = """
    UPDATE labelapp_prompt SET {values}
    FROM prompt_copy CROSS JOIN labelapp_prompt other ON other.id = copy
    WHERE labelapp_prompt.id = original AND {condition}"""
HAND_OVER = "UPDATE {table} SET {parent}_id = original FROM {parent}_copy WHERE {parent}_id = copy"
SLOTS = "(SELECT count(*) FROM labelapp_assignment WHERE prompt_id = copy AND slot IS NOT NULL)"
BY_MEMBER = (Ranking, Assignment, Comment)
BY_PROMPT = (*BY_MEMBER, Response)  # responses last: rankings refer to them
PUBLISH = (
    UPDATE_ORIGINALS.format(
        values="external_id = other.external_id",
        condition="labelapp_prompt.external_id IS NULL AND other.external_id IS NOT NULL",
    ),
    UPDATE_ORIGINALS.format(
        values="came_back = true, rankings_wanted = other.rankings_wanted, "
        "rankings_needed = other.rankings_needed",
        condition="other.came_back AND labelapp_prompt.rankings_wanted = 0 "
        "AND NOT labelapp_prompt.taken_out",
    ),
    # As fill_slots does, before the assignments are handed over.
    UPDATE_ORIGINALS.format(
        values=f"rankings_needed = max(0, labelapp_prompt.rankings_needed - {SLOTS}), "
        "rankings_wanted = labelapp_prompt.rankings_wanted"
        f" + max(0, {SLOTS} - labelapp_prompt.rankings_needed)",
        condition=f"{SLOTS} > 0",
    ),
    *(HAND_OVER.format(table=model._meta.db_table, parent="prompt") for model in BY_PROMPT),
    *(HAND_OVER.format(table=model._meta.db_table, parent="member") for model in BY_MEMBER),
    # Everything that is not a copy moves.
    """
    UPDATE labelapp_prompt SET project_id = %(project)s
    WHERE project_id = %(staging)s AND messages <> '[]'""",
    """
    UPDATE labelapp_member SET project_id = %(project)s
    WHERE project_id = %(staging)s AND id NOT IN (SELECT copy FROM member_copy)""",
)


@contextmanager
def staged(project: Project) -> Iterator[Project]:
    """Yield the project to which an import writes; if it fails, its rows are left there.

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
            delete(slug)  # what a failed import left
            yield Project.including_hidden.create(slug=slug, name=f"Import into {project.slug}")
            with suppress(DatabaseError):  # busy: the next import deletes it
                delete(slug)
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


def copy_prompts(prompts: Sequence[int], staging: Project) -> None:
    """Add copies of prompts to a hidden project, without messages."""
    if prompts:
        with connection.cursor() as cursor:
            ids = ", ".join(["%s"] * len(prompts))
            cursor.execute(COPY.format(ids=ids), [staging.pk, *prompts])


@contextmanager
def published(project: Project, staging: Project) -> Iterator[None]:
    """Publish what was staged, in one transaction with the writes of the block.

    Raises OperationalError if others have changed the project so that the rows no longer fit.
    """
    if staging == project:
        yield
        return
    projects = {"project": project.pk, "staging": staging.pk}
    with connection.cursor() as cursor, originals(cursor, projects):
        try:
            with write():
                for statement in PUBLISH:
                    cursor.execute(statement, projects)
                yield
        except IntegrityError as error:
            raise OperationalError(CHANGED) from error


@contextmanager
def originals(cursor: CursorWrapper, projects: dict[str, int]) -> Iterator[None]:
    """Keep the originals of all copies in tables, found before the others have to wait."""
    (usual,) = cursor.execute("PRAGMA cache_size").fetchone()
    cursor.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    try:
        for parent, key in KEYS.items():
            cursor.execute(FIND_ORIGINALS.format(parent=parent, key=key), projects)
        if cursor.execute(LOST_ORIGINALS, projects).fetchone() != (0,):
            raise OperationalError(CHANGED)
        yield
    finally:
        for parent in KEYS:
            cursor.execute(FORGET_ORIGINALS.format(parent=parent))
        cursor.execute(f"PRAGMA cache_size = {usual}")


def delete(slug: str) -> None:
    """Delete a hidden project and all its rows, a few prompts in each transaction."""
    staging = Project.including_hidden.filter(slug=slug).first()
    if staging is None:
        return
    prompts = Prompt.objects.filter(project=staging)
    in_order = prompts.order_by("pk").values_list("pk", flat=True)
    while keys := list(in_order[:DELETED_AT_ONCE]):
        with write():
            delete_prompts(prompts.filter(pk__lte=keys[-1]))
    with write():
        staging.members.all().delete()
        staging.delete()


def delete_prompts(prompts: QuerySet[Prompt]) -> None:
    """Delete prompts and all rows that refer to them, without reading the rows."""
    rows: tuple[QuerySet[Any], ...] = (
        Placement.objects.filter(ranking__prompt__in=prompts),
        Rating.objects.filter(ranking__prompt__in=prompts),
        *(model._default_manager.filter(prompt__in=prompts) for model in BY_PROMPT),
        prompts,
    )
    for some in rows:
        some._raw_delete(connection.alias)


def delete_abandoned() -> None:
    """Delete what failed imports left. Leaves it to the next call if the database is busy."""
    with suppress(DatabaseError, TakenError):
        hidden = Project.including_hidden.filter(slug__startswith=PREFIX)
        for slug in list(hidden.values_list("slug", flat=True)):
            if WorkLock(slug).holder() != Holder.ALIVE:
                with WorkLock(slug).held():
                    delete(slug)
