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
from django.db.models import Exists, OuterRef, QuerySet

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
DELETED_AT_ONCE = 2000  # prompts
RUNNING = "Another import into this project is running. Try again when it has ended"
CHANGED = "The project was changed while the file was imported. Import the file again"

COPY = """
    INSERT INTO labelapp_prompt (project_id, messages, content_hash, external_id, priority,
        rankings_wanted, rankings_needed, came_back, taken_out, created_at)
    SELECT %s, '[]', content_hash, external_id, 0, rankings_wanted, 0, false, taken_out, created_at
    FROM labelapp_prompt WHERE id IN ({ids})"""

# Everything that is not a copy moves. The original of a copy has its content hash, or its name.
MOVE_PROMPTS = """
    UPDATE labelapp_prompt SET project_id = %(project)s
    WHERE project_id = %(staging)s AND messages <> '[]'"""
MOVE_MEMBERS = """
    UPDATE labelapp_member SET project_id = %(project)s WHERE project_id = %(staging)s
    AND name NOT IN (SELECT name FROM labelapp_member WHERE project_id = %(project)s)"""
# Materialized, so that the copies are read, and not the whole project.
COPIES = """
    WITH copies AS MATERIALIZED (
        SELECT copy.*, original.id AS original
        FROM labelapp_{parent} copy CROSS JOIN labelapp_{parent} original
        WHERE copy.project_id = %(staging)s AND original.project_id = %(project)s
        AND original.{key} = copy.{key})
    UPDATE {table} SET {values} FROM copies WHERE {condition}"""
BY_MEMBER = (Ranking, Assignment, Comment)
BY_PROMPT = (*BY_MEMBER, Response)  # responses last: rankings refer to them


def hand_over(parent: str, key: str, table: str) -> str:
    """Return the statement by which the rows of copies come to refer to the originals."""
    return COPIES.format(
        parent=parent,
        key=key,
        table=table,
        values=f"{parent}_id = copies.original",
        condition=f"{table}.{parent}_id = copies.id",
    )


def update_originals(values: str, condition: str) -> str:
    """Return the statement by which the prompts of the project take something from their copies."""
    return COPIES.format(
        parent="prompt",
        key="content_hash",
        table="labelapp_prompt",
        values=values,
        condition=f"labelapp_prompt.id = copies.original AND {condition}",
    )


SLOTS = """
    (SELECT count(*) FROM labelapp_assignment WHERE prompt_id = copies.id AND slot IS NOT NULL)"""
PUBLISH = (
    MOVE_PROMPTS,
    MOVE_MEMBERS,
    update_originals(
        "external_id = copies.external_id",
        "labelapp_prompt.external_id IS NULL AND copies.external_id IS NOT NULL",
    ),
    update_originals(
        "came_back = true, rankings_wanted = copies.rankings_wanted, "
        "rankings_needed = copies.rankings_needed",
        "copies.came_back AND labelapp_prompt.rankings_wanted = 0 "
        "AND NOT labelapp_prompt.taken_out",
    ),
    # As fill_slots does, before the assignments are handed over.
    update_originals(
        f"rankings_needed = max(0, labelapp_prompt.rankings_needed - {SLOTS}), "
        "rankings_wanted = labelapp_prompt.rankings_wanted"
        f" + max(0, {SLOTS} - labelapp_prompt.rankings_needed)",
        f"{SLOTS} > 0",
    ),
    *(hand_over("prompt", "content_hash", model._meta.db_table) for model in BY_PROMPT),
    *(hand_over("member", "name", model._meta.db_table) for model in BY_MEMBER),
)


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
    original = Prompt.objects.filter(project=project, content_hash=OuterRef("content_hash"))
    try:
        with write(), connection.cursor() as cursor:
            for statement in PUBLISH:
                cursor.execute(statement, projects)
            if Prompt.objects.filter(~Exists(original), project=staging).exists():
                raise OperationalError(CHANGED)
            yield
    except IntegrityError as error:
        raise OperationalError(CHANGED) from error


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
    """Delete what killed imports left. Leaves it to the next call if the database is busy."""
    with suppress(DatabaseError, TakenError):
        hidden = Project.including_hidden.filter(slug__startswith=PREFIX)
        for slug in list(hidden.values_list("slug", flat=True)):
            if WorkLock(slug).holder() != Holder.ALIVE:
                with WorkLock(slug).held():
                    delete(slug)
