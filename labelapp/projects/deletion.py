"""Delete a project: hide it, stop its jobs, then delete its rows and its files.

Each step can be interrupted and repeated. A project may have millions of rows, so they are deleted
in many short transactions, between which others can write.
"""

import logging
import time
from contextlib import suppress
from functools import partial

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from labelapp.db.bulk import delete_with_references
from labelapp.db.locks import Holder, TakenError, WorkLock
from labelapp.db.retry import POLL_SECONDS, with_retries
from labelapp.db.writer import write
from labelapp.jobs import files, jobs
from labelapp.jobs.jobs import Enqueue
from labelapp.models import (
    AgreementMeasurement,
    Comment,
    FileTransfer,
    Job,
    Member,
    Project,
    Prompt,
    Ranking,
    Response,
    ReviewMeasurement,
    TrainingRun,
)
from labelapp.projects import prompt_deletion
from labelapp.projects.members import ACTIVE, IMPORTED, REMOVED, count_kinds
from labelapp.runs import lifecycle

PROMPTS_AT_ONCE = 100  # each with all that belongs to it: some thousands of rows
STOP_SECONDS = 360  # for jobs to stop; more than it takes to notice that one is lost

logger = logging.getLogger("labelapp.audit")


class CannotDeleteError(Exception):
    """The deletion cannot go on now; the message says why and what to do."""


def may_delete(member: Member) -> bool:
    """Return whether a member may delete their project: a manager only until it has rankings."""
    if member.user is not None and member.user.is_superuser:
        return True
    return member.manages and not Ranking.objects.filter(member__project=member.project).exists()


def count(project: Project) -> dict[str, int]:
    """Return how many of each thing are deleted with a project, by its name in the singular."""
    prompts = Prompt.objects.filter(project=project)
    members = count_kinds(project)
    return {
        "prompt": prompts.count(),
        "deleted prompt": prompt_deletion.kept_of(project).count(),
        "response": Response.objects.filter(prompt__project=project).count(),
        "ranking": Ranking.objects.filter(prompt__project=project).count(),
        "comment": Comment.objects.filter(prompt__project=project).count(),
        "member": members[ACTIVE] + members[REMOVED],
        "imported name": members[IMPORTED],
        "training run": project.runs.count(),
        "upload": project.uploads.count(),
        "export": project.exports.count(),
    }


@transaction.atomic
def begin(project: Project, *, by: str, enqueue: Enqueue | None = None) -> None:
    """Hide a project from everybody, and enqueue the task that deletes it."""
    hidden = Project.objects.not_deleted().filter(pk=project.pk).update(deleted_at=timezone.now())
    if hidden:
        logger.info("%s deletes the project %s (%s)", by, project.slug, project.pk)
    if hidden and enqueue is not None:
        enqueue(project.pk)


def finish(project: Project) -> None:
    """Delete a hidden project with its rows and files. Raises CannotDeleteError."""
    try:
        with WorkLock(f"deletion-{project.pk}").held():
            stop_jobs(project)
            delete_unpublished(project)
            prompt_deletion.delete_all(project)
            delete_prompts(project)
            for transfer in (*project.uploads.all(), *project.exports.all()):
                files.remove_folder(transfer)
            for run in project.runs.all():
                lifecycle.delete_files(run)
            with_retries(partial(delete_row, project))
    except TakenError:
        raise CannotDeleteError(_("Another process is deleting this project.")) from None
    logger.info("the project %s (%s) is deleted", project.slug, project.pk)


def stop_jobs(project: Project) -> None:
    """Stop the project's jobs and wait for their end. Raises CannotDeleteError after a while."""
    deadline = time.monotonic() + STOP_SECONDS
    while active := active_jobs(project):
        if time.monotonic() > deadline:
            raise CannotDeleteError(
                f"{type(active[0])._meta.verbose_name} {active[0].pk} does not stop. End its "
                "process, then delete the project again."
            )
        for job in active:
            request_stop(job)
        time.sleep(POLL_SECONDS)


def active_jobs(project: Project) -> list[Job]:
    kinds = (
        project.uploads,
        project.exports,
        project.measurements,
        project.review_measurements,
        project.runs,
    )
    return [job for kind in kinds for job in kind.active()]


def request_stop(job: Job) -> None:
    """Ask a job to stop, and settle it if its worker is gone."""
    if isinstance(job, TrainingRun):
        lifecycle.stop(job)
    elif isinstance(job, FileTransfer):
        files.request_stop(job)
        files.mark_lost(jobs.row(job))
    elif isinstance(job, AgreementMeasurement | ReviewMeasurement):
        jobs.request_stop(job)
        jobs.mark_lost(jobs.row(job))


def delete_unpublished(project: Project) -> None:
    """Delete the rows that a killed import left. A running import deletes its own."""
    lock = WorkLock(project.staging_slug)
    hidden = Project.including_hidden.filter(slug=project.staging_slug).first()
    if hidden is not None and lock.holder() != Holder.ALIVE:
        with suppress(TakenError), lock.held():
            delete_prompts(hidden)
            with_retries(partial(delete_row, hidden))


def delete_prompts(project: Project) -> None:
    """Delete the prompts of a project and all that belongs to them, in many transactions.

    Others get as much time to write as each transaction took.
    """
    while prompts := list(project.prompts.values_list("pk", flat=True)[:PROMPTS_AT_ONCE]):
        began = time.monotonic()
        with_retries(partial(delete_some, prompts))
        time.sleep(time.monotonic() - began)


def delete_some(prompts: list[int]) -> None:
    with write():
        delete_with_references(Prompt.objects.filter(pk__in=prompts))


def delete_row(project: Project) -> None:
    """Delete the row of a project, with the few that are left to delete with it."""
    with write():
        Project.including_hidden.filter(pk=project.pk).delete()
