"""Stage the rows of an import in a hidden project, and publish them in one short transaction.

SQLite has one writer. So that labellers can write meanwhile, an import commits its batches one by
one, into a project that no page shows, and `published` moves the rows to their project. A prompt
or a member that the project already has is represented by a copy, to which new rows refer until
then. With PostgreSQL nobody waits for an import: it writes to its project, in one transaction.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import Any

from django.db import DatabaseError, IntegrityError, OperationalError, connection, transaction
from django.db.models import Count, Exists, Model, OuterRef, QuerySet, Subquery

from labelapp.db.bulk import delete_with_references
from labelapp.db.locks import Holder, TakenError, WorkLock
from labelapp.db.writer import write
from labelapp.importing.assignments import fill_slots
from labelapp.models import (
    Assignee,
    Assignment,
    Comment,
    Member,
    Project,
    Prompt,
    PromptTag,
    Ranking,
    Response,
    Tag,
)
from labelapp.models.projects import IMPORTING
from training.sentences import sentence

DELETED_AT_ONCE = 2000  # prompts
RUNNING = sentence("Another import into this project is running. Try again when it has ended")
CHANGED = sentence("The project was changed while the file was imported. Import the file again")

# A copy has the key of its original.
KEYS = {"prompt": "content_hash", "member": "name", "tag": "name"}
# What an import adds to a member, and to a prompt.
OF_MEMBER = (Ranking, Assignment, Comment, Assignee)
OF_PROMPT = (*OF_MEMBER, Response, PromptTag)


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
    slug = project.staging_slug
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
    columns = ("content_hash", "external_id", "rankings_wanted", "taken_out")
    originals = Prompt.objects.filter(pk__in=prompts).values(*columns)
    Prompt.objects.bulk_create(Prompt(project=staging, messages=[], **row) for row in originals)


@contextmanager
def published(project: Project, staging: Project) -> Iterator[None]:
    """Publish what was staged, in one transaction with the writes of the block.

    Raises OperationalError if others have changed the project so that the rows no longer fit.
    """
    if staging == project:
        yield
        return
    try:
        with write():
            publish(project, staging)
            yield
    except IntegrityError as error:
        raise OperationalError(CHANGED) from error


def publish(project: Project, staging: Project) -> None:
    """Move the rows of a hidden project to `project`, and those of copies to their originals."""
    originals = Prompt.objects.filter(project=project)
    prompts = Prompt.objects.filter(project=staging)
    copies = prompts.filter(messages=[])
    lost = ~Exists(originals.filter(content_hash=OuterRef("content_hash")))
    is_deleted = not Project.objects.not_deleted().filter(pk=project.pk).exists()
    if is_deleted or copies.filter(lost).exists():
        raise OperationalError(CHANGED)
    update_originals(originals, copies)
    members = Member.objects.filter(project=staging)
    known = members.filter(name__in=project.members.values("name"))
    hand_over(OF_PROMPT, "prompt", copies, originals)
    hand_over(OF_MEMBER, "member", known, project.members.all())
    tags = Tag.objects.filter(project=staging)
    same = tags.filter(name__in=project.tags.values("name"))
    hand_over((PromptTag,), "tag", same, project.tags.all())
    tags.exclude(name__in=project.tags.values("name")).update(project=project)
    prompts.exclude(messages=[]).update(project=project)
    members.exclude(name__in=project.members.values("name")).update(project=project)


def update_originals(originals: QuerySet[Prompt], copies: QuerySet[Prompt]) -> None:
    """Write to prompts what was changed in their copies, unless others have changed it since."""
    same = copies.filter(content_hash=OuterRef("content_hash"))

    def copied(some: QuerySet[Prompt]) -> QuerySet[Prompt]:
        return originals.filter(content_hash__in=some.values("content_hash"))

    named = copied(copies.filter(external_id__isnull=False))
    named.filter(external_id=None).update(external_id=Subquery(same.values("external_id")))
    queued = copied(copies.filter(came_back=True)).filter(rankings_wanted=0, taken_out=False)
    wanted = Subquery(same.values("rankings_wanted"))
    queued.update(came_back=True, rankings_wanted=wanted, rankings_needed=wanted)
    slots = same.filter(assignments__slot__isnull=False).values("pk")
    taken = Subquery(slots.annotate(number=Count("assignments")).values("number"))
    fill_slots(copied(copies.filter(assignments__slot__isnull=False)), taken)


def hand_over(
    rows: Iterable[type[Model]], field: str, copies: QuerySet[Any], originals: QuerySet[Any]
) -> None:
    """Have the rows that refer to copies refer to their originals."""
    key = KEYS[field]
    key_of_copy = copies.model._default_manager.filter(pk=OuterRef(OuterRef(field))).values(key)
    original = Subquery(originals.filter(**{key: Subquery(key_of_copy)}).values("pk"))
    for model in rows:
        referring = model._default_manager.filter(**{f"{field}__in": copies})
        referring.update(**{field: original})


def delete(slug: str) -> None:
    """Delete a hidden project and all its rows, a few prompts in each transaction."""
    staging = Project.including_hidden.filter(slug=slug).first()
    if staging is None:
        return
    prompts = Prompt.objects.filter(project=staging)
    in_order = prompts.order_by("pk").values_list("pk", flat=True)
    while keys := list(in_order[:DELETED_AT_ONCE]):
        with write():
            delete_with_references(prompts.filter(pk__lte=keys[-1]))
    with write():
        staging.delete()


def delete_abandoned() -> None:
    """Delete what failed imports left. Leaves it to the next call if the database is busy."""
    with suppress(DatabaseError, TakenError):
        hidden = Project.including_hidden.filter(slug__startswith=IMPORTING)
        for slug in list(hidden.values_list("slug", flat=True)):
            if WorkLock(slug).holder() != Holder.ALIVE:
                with WorkLock(slug).held():
                    delete(slug)
