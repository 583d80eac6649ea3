"""Start, follow, stop and end background jobs."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any, TypeVar, cast

from django.db import IntegrityError, InterfaceError, OperationalError, connection, transaction
from django.db.models import Case, QuerySet, Value, When
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_noop
from django_tasks import TaskResultStatus
from django_tasks_db.models import DBTaskResult

from labelapp.db.locks import Holder, TakenError, WorkLock, worker_lock
from labelapp.db.retry import with_retries
from labelapp.db.writer import without_waiting
from labelapp.models import Job, State
from labelapp.notifications.telling import tell_of_job
from training.sentences import quoted, sentence

HEARTBEAT = timedelta(seconds=5)  # between two heartbeats without new values

# After the start of PostgreSQL: until then, no worker could write a heartbeat.
RECOVERY = timedelta(seconds=45)
ATTEMPTS = 2  # of a job that is queued again if its worker was killed
CLAIM_SECONDS = 600  # from taking a task to starting its job, at most, for a worker unknown here
LOST = gettext_noop("The task worker stopped responding.")
STOPPED = gettext_noop("Stopped on request.")

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


def start_only(job: Job, others: QuerySet[AnyJob], enqueue: Enqueue) -> None:
    """Start a job, unless one of the others is active, of which a constraint allows one."""
    mark_lost(others)
    with suppress(IntegrityError):
        start(job, enqueue)


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
    running = row(job).filter(state=State.RUNNING)
    silent_for = time.monotonic() - job.beaten_at
    if changed or job.heartbeat_at is None or silent_for > HEARTBEAT.total_seconds():
        running.update(**changed, heartbeat_at=Now())
        job.heartbeat_at, job.beaten_at = timezone.now(), time.monotonic()
        for name, value in changed.items():
            setattr(job, name, value)
    return bool(running.filter(stop_requested=False).exists())


@contextmanager
def repeating(work: Callable[[], None], seconds: float) -> Iterator[None]:
    """Do some work in a thread every few seconds, until the block ends."""
    is_over = threading.Event()

    def repeat() -> None:
        while not is_over.wait(seconds):
            work()
        connection.close()  # this thread's

    thread = threading.Thread(target=repeat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


@contextmanager
def beating(job: Job) -> Iterator[None]:
    """Write the heartbeat of a running job in a thread, during a block that does not itself.

    On SQLite there is no other machine that counts on it, and only one writer.
    """

    def beat_once() -> None:
        try:
            row(job).filter(state=State.RUNNING).update(heartbeat_at=Now())
        except (OperationalError, InterfaceError):
            connection.close()  # the database is away; the block goes on

    if connection.vendor == "sqlite":
        yield
        return
    with repeating(beat_once, HEARTBEAT.total_seconds()):
        yield


def request_stop(job: Job) -> None:
    """Stop a queued job at once, and ask a running one to stop."""
    queued = row(job).filter(state=State.QUEUED)
    if not queued.update(state=State.STOPPED, reason=STOPPED, finished_at=timezone.now()):
        row(job).filter(state=State.RUNNING).update(stop_requested=True)


def lock_of(job: Job) -> WorkLock:
    """Return the lock that a process holds while it does the work of the job."""
    return WorkLock(f"{job._meta.model_name}-{job.pk}")


def mark_lost(
    jobs: QuerySet[AnyJob],
    is_silent: Callable[[AnyJob], bool] = lambda _: True,
    is_to_stop: Callable[[AnyJob], bool] = lambda job: job.stop_requested,
) -> list[AnyJob]:
    """Settle the running jobs whose task worker was killed, and return those that have failed.

    A job that is all or nothing is queued again, once. `is_silent` tells whether a job has shown no
    sign of life besides its heartbeat; it decides only where no lock can be checked. Nothing is
    written if no job is lost, because pages call this every second.
    """
    silent = Case(
        When(heartbeat_at__lt=Now() - jobs.model.LOST_AFTER, then=True),
        # Written before the clock was set back.
        When(heartbeat_at__gt=Now() + jobs.model.LOST_AFTER, then=True),
        default=Value(False),
    )
    running = jobs.filter(state=State.RUNNING).annotate(is_silent=silent)
    lost = [job for job in running if is_lost(job, is_silent)]
    tasks = taken_tasks(jobs.model) if lost else {}
    return [job for job in lost if settle(job, tasks.get(job.pk), stopped=is_to_stop(job))]


def is_lost(job: Any, is_silent: Callable[[Any], bool]) -> bool:
    """Return whether nobody does the work of a running job any longer."""
    holder = lock_of(job).holder()
    if holder == Holder.UNKNOWN:
        return bool(job.is_silent) and is_silent(job) and database_age() > RECOVERY
    return holder == Holder.GONE


def database_age() -> timedelta:
    """Return how long PostgreSQL has been up."""
    if connection.vendor != "postgresql":
        return timedelta.max
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp() - pg_postmaster_start_time()")
        [age] = cursor.fetchone()
    return cast(timedelta, age)


def settle_queued(jobs: QuerySet[AnyJob]) -> None:
    """Requeue, once, the jobs whose worker was killed after taking the task but before starting."""
    queued = list(jobs.filter(state=State.QUEUED))
    tasks = taken_tasks(jobs.model) if queued else {}
    for job in queued:
        task = tasks.get(job.pk)
        if task is not None and is_abandoned(task):
            settle(job, task, stopped=False)


def taken_tasks(model: type[Job]) -> dict[int, DBTaskResult]:
    """Return the tasks that a worker has taken and not finished, by the keys of their jobs."""
    of_kind = DBTaskResult.objects.running().filter(task_path__endswith=f".{model.TASK}")
    tasks = with_age(of_kind).order_by("started_at")
    return {task.args_kwargs["args"][0]: task for task in tasks if task.args_kwargs["args"]}


def with_age(tasks: QuerySet[DBTaskResult]) -> QuerySet[Any]:
    """Return tasks with `is_old`: they were taken so long ago that their jobs must have begun."""
    long_ago = Now() - timedelta(seconds=CLAIM_SECONDS)
    return tasks.annotate(
        is_old=Case(When(started_at__lt=long_ago, then=True), default=Value(False))
    )


def is_abandoned(task: Any) -> bool:
    """Return whether the worker that took a task of `with_age` has ended without finishing it."""
    holder = worker_lock(task.worker_ids[-1]).holder() if task.worker_ids else Holder.UNKNOWN
    return holder == Holder.GONE or (holder == Holder.UNKNOWN and task.is_old)


def settle(job: Job, task: DBTaskResult | None, *, stopped: bool) -> bool:
    """Queue a lost job again, or end it. Return whether it has failed.

    While another process has SQLite's write lock, nothing is settled: the next call does it.
    """
    repeats = job.RETRIED or job.state == State.QUEUED  # no work was done of a queued one
    again = repeats and not stopped and task is not None and len(task.worker_ids) < ATTEMPTS
    values: dict[str, Any] = {"finished_at": timezone.now(), "state": State.FAILED, "reason": LOST}
    if stopped:
        values |= {"state": State.STOPPED, "reason": STOPPED}
    if again:
        values = {"state": State.QUEUED, "started_at": None, "heartbeat_at": None}
    try:
        with without_waiting(), transaction.atomic():
            settled = row(job).filter(state=job.state).update(**values)
            if settled and again and task is not None:
                # The same task: its workers are counted.
                taken = DBTaskResult.objects.running().filter(pk=task.pk)
                taken.update(status=TaskResultStatus.READY, started_at=None)
            if settled and not again:
                tell_of_job(row(job).get())
    except OperationalError:
        return False
    job.refresh_from_db()
    return bool(settled) and job.state == State.FAILED


def perform(jobs: QuerySet[AnyJob], pk: int, work: Callable[[AnyJob], None]) -> str:
    """Do the work of one of the `jobs` and return its final state."""
    job = jobs.select_related("project").filter(pk=pk).first()
    if job is None:
        return "deleted"
    work(job)
    return job.state


def execute(job: Job, work: Callable[[], Mapping[str, Any] | None]) -> None:
    """Do the work of a queued job and store its final state, with the job's lock held.

    The values that `work` returns are stored with the state; `work` may end the job itself. A job
    that is no longer queued is left alone.
    """
    try:
        with lock_of(job).held():
            execute_locked(job, work)
    except TakenError:
        return  # another worker has it


def execute_locked(job: Job, work: Callable[[], Mapping[str, Any] | None]) -> None:
    started = {"state": State.RUNNING, "started_at": timezone.now(), "heartbeat_at": Now()}
    if not with_retries(lambda: row(job).filter(state=State.QUEUED).update(**started)):
        return
    job.refresh_from_db()
    job.beaten_at = time.monotonic()
    try:
        values = work()
    except StoppedError:
        finish(job, State.STOPPED, STOPPED)
    except FailedError as error:
        finish(job, State.FAILED, str(error))
    except OSError as error:
        finish(job, State.FAILED, disk_problem(error))
    except (KeyboardInterrupt, SystemExit):
        finish(job, State.FAILED, gettext_noop("The task worker was stopped."))
        raise
    except Exception as error:  # no bug may leave a job that looks alive
        finish(
            job,
            State.FAILED,
            sentence(
                "Podium failed: %(problem)s", problem=quoted(str(error) or type(error).__name__)
            ),
        )
        raise
    else:
        finish(job, State.DONE, **(values or {}))


def disk_problem(error: OSError) -> str:
    said = quoted(error.strerror or error)
    return sentence("The server cannot access its disk: %(problem)s.", problem=said)


def finish(job: Job, state: State, reason: str = "", **values: object) -> bool:
    """End a running job. Return False if another process has ended it."""
    ended: dict[str, Any] = {"state": state, "reason": reason}
    ended |= {"heartbeat_at": Now(), "finished_at": timezone.now()}
    ended |= {"done": job.done, "total": job.total, **values}
    finished = with_retries(lambda: end(job, ended))
    job.refresh_from_db()
    return finished


@transaction.atomic
def end(job: Job, values: Mapping[str, Any]) -> bool:
    """Store the end of a running job, and tell who wants to know. Return False if it has ended."""
    ended = row(job).filter(state=State.RUNNING).update(**values)
    if ended:
        tell_of_job(row(job).get())
    return bool(ended)
