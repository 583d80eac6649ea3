"""Delete prompts: put them aside for some days, restore them, and delete them for good.

Prompts that are put aside are moved to a hidden project with all that belongs to them, so nothing
that reads a project finds them: not the queue, training, exports, agreement, review or a search.
Each step can be interrupted and repeated. Many prompts are moved in many short transactions.
"""

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from labelapp.db.bulk import delete_with_references, pieces
from labelapp.db.retry import with_retries
from labelapp.db.writer import write
from labelapp.jobs.jobs import Enqueue
from labelapp.labelling.assignments import look_from_the_top
from labelapp.models import (
    Assignment,
    Comment,
    Disagreement,
    Origin,
    PracticePrompt,
    Project,
    Prompt,
    PromptDeletion,
    Ranking,
    Rating,
    Response,
    Score,
    User,
)
from labelapp.models.projects import DELETED
from labelapp.projects.prompt_queue import locked, take_back

KEPT_DAYS = 30  # before deleted prompts are deleted for good
AT_ONCE = 500  # prompts in one transaction
IN_BACKGROUND = 1000  # more prompts than this are moved by a worker
# In the session: the key of a deletion that the list of prompts offers to undo.
OFFERED_TO_RESTORE = "prompts-restore"
MOST_LISTED = 100  # deletions on their page

logger = logging.getLogger("labelapp.audit")


def count(prompts: QuerySet[Prompt]) -> dict[str, int]:
    """Return how many of each thing are deleted with prompts, by its name in the singular."""
    keys = prompts.order_by().values("pk")
    rankings = Ranking.objects.filter(prompt__in=keys)
    rated = Rating.objects.filter(ranking__prompt__in=keys)
    return {
        "prompt": prompts.count(),
        "response": Response.objects.filter(prompt__in=keys).count(),
        "ranking": rankings.by_labellers().count(),
        "earlier version": rankings.filter(is_current=False).count(),
        "decision": rankings.filter(is_current=True, origin=Origin.ADJUDICATED).count(),
        "gold ranking": rankings.filter(is_gold=True).count(),
        "rating": rated.count(),
        "score": Score.objects.filter(response__prompt__in=keys).count(),
        "comment": Comment.objects.filter(prompt__in=keys).count(),
        "begun task": Assignment.objects.held().filter(prompt__in=keys).count(),
    }


# ---- put aside ----


def delete(
    prompts: QuerySet[Prompt], *, project: Project, by: User, enqueue: Enqueue
) -> PromptDeletion:
    """Put a project's prompts aside, in the background if they are many; return the deletion."""
    keys = list(prompts.order_by("pk").values_list("pk", flat=True))
    with write():
        deletion = PromptDeletion.objects.create(
            project=project,
            user=by,
            prompts=len(keys),
            rankings=Ranking.objects.by_labellers().filter(prompt__in=prompts.values("pk")).count(),
            moving=keys,
        )
        deletion.kept_in = Project.including_hidden.create(
            slug=f"{DELETED}{deletion.pk}", name=project.slug
        )
        deletion.save(update_fields=["kept_in"])
    logger.info(
        "%s deletes %s prompts of the project %s (%s)", by, len(keys), project.slug, project.pk
    )
    if len(keys) > IN_BACKGROUND:
        enqueue(deletion.pk)
    else:
        put_aside(deletion)
    return deletion


def put_aside(deletion: PromptDeletion) -> None:
    """Move the prompts of a deletion to its hidden project, unless they are being restored."""
    for keys in pieces(deletion.moving or [], AT_ONCE):
        take_all_back(keys)
        if not with_retries(partial(move, deletion, keys)):
            return
    PromptDeletion.objects.filter(pk=deletion.pk).update(moving=None)


def take_all_back(prompts: Collection[int]) -> None:
    """Take prompts back from the labellers who have begun them. What they submit is stored."""
    begun = Assignment.objects.open().filter(prompt__in=prompts)
    for assignment in begun.held().select_related("member__project"):
        with_retries(partial(take_back, assignment=assignment))
    begun.filter(taken_back=False, slot=None).update(taken_back=True)


def move(deletion: PromptDeletion, keys: Sequence[int]) -> bool:
    """Move some prompts to the hidden project. Return False if they are being restored."""
    with write():
        # One after the other with an import, which may refer to the prompts, and with a restore.
        lock_project(deletion.project_id)
        if not PromptDeletion.objects.filter(pk=deletion.pk, moving__isnull=False).exists():
            return False
        change_project(
            Prompt.objects.filter(pk__in=keys, project=deletion.project_id), deletion.kept_in_id
        )
        return True


def lock_project(project: int) -> None:
    Project.objects.select_for_update(no_key=True).get(pk=project)


def change_project(prompts: QuerySet[Prompt], to: int | None) -> int:
    """Move prompts to another project, and return their number."""
    keys = list(locked(prompts).values_list("pk", flat=True))
    for model in (Disagreement, PracticePrompt):
        model._default_manager.filter(prompt__in=keys).update(project=to)
    return Prompt.objects.filter(pk__in=keys).update(project=to)


# ---- restore ----


def restore(deletion: PromptDeletion, *, by: User, enqueue: Enqueue) -> int | None:
    """Move the prompts of a deletion back, and return how many are left, as finish_restoring does.

    Return None if a worker moves them, because they are many.
    """
    PromptDeletion.objects.filter(pk=deletion.pk).update(moving=None)
    logger.info("%s restores deletion %s of prompts", by, deletion.pk)
    if deletion.prompts > IN_BACKGROUND:
        enqueue(deletion.pk)
        return None
    return finish_restoring(deletion)


def finish_restoring(deletion: PromptDeletion) -> int:
    """Move prompts back, and return how many cannot be, because the project has them again."""
    while with_retries(partial(move_back, deletion)):
        pass
    look_from_the_top(deletion.project.members.all())
    left = Prompt.objects.filter(project=deletion.kept_in_id).count()
    if not left:
        with write():
            undone = PromptDeletion.objects.filter(pk=deletion.pk, kept_in__isnull=False)
            undone.update(prompts=0, rankings=0)
            Project.including_hidden.filter(pk__in=[deletion.kept_in_id]).delete()
    return left


def move_back(deletion: PromptDeletion) -> int:
    """Move some prompts back and return their number."""
    with write():
        lock_project(deletion.project_id)
        here = Prompt.objects.filter(project=deletion.project_id)
        again = here.filter(
            Q(content_hash=OuterRef("content_hash")) | Q(external_id=OuterRef("external_id"))
        )
        free = Prompt.objects.filter(~Exists(again), project=deletion.kept_in_id)
        keys = list(free.order_by("pk").values_list("pk", flat=True)[:AT_ONCE])
        moved = change_project(Prompt.objects.filter(pk__in=keys), deletion.project_id)
        if moved:
            PromptDeletion.objects.filter(pk=deletion.pk).update(restored_at=timezone.now())
        return moved


def kept_of(project: Project) -> QuerySet[Prompt]:
    """Return a project's deleted prompts that can still be restored."""
    kept = project.prompt_deletions.filter(kept_in__isnull=False)
    return Prompt.objects.filter(project__in=kept.values("kept_in"))


# ---- delete for good ----


def delete_expired() -> None:
    """Delete for good what was deleted KEPT_DAYS ago, and go on with what was interrupted."""
    kept = PromptDeletion.objects.filter(kept_in__isnull=False).select_related("project")
    for deletion in kept.filter(moving__isnull=False):
        put_aside(deletion)
    long_ago = timezone.now() - timedelta(days=KEPT_DAYS)
    for deletion in kept.filter(created_at__lt=long_ago, moving__isnull=True):
        delete_for_good(deletion)


def delete_for_good(deletion: PromptDeletion) -> None:
    """Delete the prompts of a deletion, and all that belongs to them, from the database."""
    hidden = Prompt.objects.filter(project=deletion.kept_in_id)
    while keys := list(hidden.values_list("pk", flat=True)[:AT_ONCE]):
        with_retries(partial(delete_some, keys))
    with write():
        Project.including_hidden.filter(pk__in=[deletion.kept_in_id]).delete()
    logger.info("deletion %s of %s prompts is final", deletion.pk, deletion.prompts)


def delete_some(keys: Sequence[int]) -> None:
    with write():
        delete_with_references(Prompt.objects.filter(pk__in=keys))


def delete_all(project: Project) -> None:
    """Delete for good what is put aside of a project that is being deleted."""
    for deletion in project.prompt_deletions.filter(kept_in__isnull=False):
        PromptDeletion.objects.filter(pk=deletion.pk).update(moving=None)
        delete_for_good(deletion)


# ---- told ----


@dataclass(frozen=True)
class ListedDeletion:
    """A deletion with what is left of it to be restored."""

    deletion: PromptDeletion
    prompts: int  # that are there to be restored
    rankings: int  # of them, with those that came in later
    until: datetime  # then they are deleted for good


def listed(project: Project) -> list[ListedDeletion]:
    """Return a project's deletions that are not undone, the newest first, MOST_LISTED at most."""
    made = project.prompt_deletions.filter(prompts__gt=0).select_related("user").defer("moving")
    deletions = list(made.annotate(is_moving=Q(moving__isnull=False))[:MOST_LISTED])
    hidden = [one.kept_in_id for one in deletions]
    kept = Prompt.objects.filter(project__in=hidden).values_list("project")
    prompts = dict(kept.annotate(Count("pk")))
    ranked = Ranking.objects.by_labellers().filter(prompt__project__in=hidden)
    rankings = dict(ranked.values_list("prompt__project").annotate(Count("pk")))
    return [
        ListedDeletion(
            deletion,
            prompts.get(deletion.kept_in_id, 0),
            rankings.get(deletion.kept_in_id, 0),
            deletion.created_at + timedelta(days=KEPT_DAYS),
        )
        for deletion in deletions
    ]
