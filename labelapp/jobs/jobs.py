"""Start, follow, stop and end background jobs."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, TypeVar

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from labelapp.db.retry import with_retries
from labelapp.models import Job, State

HEARTBEAT = timedelta(seconds=5)  # between two heartbeats without new values

Enqueue = Callable[[int], object]  # the `enqueue` method of a task
AnyJob = TypeVar("AnyJob", bound=Job)


class StoppedError(Exception):
    """The job was asked to stop, or another process has ended it."""


class FailedError(Exception):
    """The job failed; the message is the reason, a sentence for a page."""


def row(job: Job) -> Any:
    """Return the query set of `job` alone."""
    return type(job)._default_manager.filter(pk=job.pk)


def start(job: Job, enqueue: Enqueue | None = None) -> None:
    """Save a new job and enqueue its task in one transaction.

    Without `enqueue` the caller executes the job itself. Raises IntegrityError if a constraint
    allows no second active job.
    """
    with transaction.atomic():
        job.save(force_insert=True)
        if enqueue is not None:
            enqueue(job.pk)


def restart(job: Job, enqueue: Enqueue | None = None, **values: object) -> bool:
    """Queue a job again with changed `values`, unless its state has changed since it was read.

    Raises IntegrityError as `start` does.
    """
    with transaction.atomic():
        queued = row(job).filter(state=job.state)
        restarted = queued.update(
            state=State.QUEUED,
            reason="",
            stop_requested=False,
            started_at=None,
            heartbeat_at=None,
            finished_at=None,
            **values,
        )
        if restarted and enqueue is not None:
            enqueue(job.pk)
    job.refresh_from_db()
    return bool(restarted)


def beat(job: Job, **values: object) -> bool:
    """Write changed `values` and the heartbeat of a running job. Return False if it must stop."""
    changed = {name: value for name, value in values.items() if getattr(job, name) != value}
    now = timezone.now()
    running = row(job).filter(state=State.RUNNING)
    if changed or job.heartbeat_at is None or now - job.heartbeat_at > HEARTBEAT:
        changed["heartbeat_at"] = now
        running.update(**changed)
        for name, value in changed.items():
            setattr(job, name, value)
    return bool(running.filter(stop_requested=False).exists())


def request_stop(job: Job) -> None:
    """Stop a queued job at once, and ask a running one to stop."""
    queued = row(job).filter(state=State.QUEUED)
    if not queued.update(
        state=State.STOPPED, reason="Stopped on request.", finished_at=timezone.now()
    ):
        row(job).filter(state=State.RUNNING).update(stop_requested=True)


def mark_lost(
    jobs: QuerySet[AnyJob], is_silent: Callable[[AnyJob], bool] = lambda _: True
) -> list[AnyJob]:
    """Mark running jobs whose task worker was killed as failed, and return them.

    Nothing is written if none is lost: pages call this every second, and SQLite has one write lock.
    """
    long_ago = timezone.now() - jobs.model.LOST_AFTER
    silent = jobs.filter(state=State.RUNNING, heartbeat_at__lt=long_ago)
    lost = [job for job in silent if is_silent(job)]
    for job in lost:
        finish(job, State.FAILED, "The task worker stopped responding.")
    return lost


def perform(jobs: QuerySet[AnyJob], pk: int, work: Callable[[AnyJob], None]) -> str:
    """Do the work of one of the `jobs` and return its final state."""
    job = jobs.select_related("project").filter(pk=pk).first()
    if job is None:
        return "deleted"
    work(job)
    return job.state


def execute(job: Job, work: Callable[[], Mapping[str, Any] | None]) -> None:
    """Do the work of a queued job and store its final state.

    The values that `work` returns are stored with the state; `work` may end the job itself. A job
    that is no longer queued is left alone.
    """
    now = timezone.now()
    started = {"state": State.RUNNING, "started_at": now, "heartbeat_at": now}
    if not with_retries(lambda: row(job).filter(state=State.QUEUED).update(**started)):
        return
    job.refresh_from_db()
    try:
        values = work()
    except StoppedError:
        finish(job, State.STOPPED, "Stopped on request.")
    except FailedError as error:
        finish(job, State.FAILED, str(error))
    except OSError as error:
        finish(job, State.FAILED, f"The server cannot access its disk: {error.strerror or error}.")
    except (KeyboardInterrupt, SystemExit):
        finish(job, State.FAILED, "The task worker was stopped.")
        raise
    except Exception as error:  # no bug may leave a job that looks alive
        finish(job, State.FAILED, f"Podium failed: {str(error) or type(error).__name__}")
        raise
    else:
        finish(job, State.DONE, **(values or {}))


def finish(job: Job, state: State, reason: str = "", **values: object) -> bool:
    """End a running job. Return False if another process has ended it."""
    now = timezone.now()
    ended = {"state": state, "reason": reason, "heartbeat_at": now, "finished_at": now}
    ended |= {"done": job.done, "total": job.total, **values}
    finished = with_retries(lambda: row(job).filter(state=State.RUNNING).update(**ended))
    job.refresh_from_db()
    return bool(finished)
