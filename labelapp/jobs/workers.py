"""Task workers: who is alive, the settling of what a killed one leaves, and mails that are due.

Every worker settles, when it starts and then every few seconds: `serve` starts a worker again that
was killed.
"""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from django.db import DatabaseError, connection
from django_tasks_db.models import DBTaskResult

from labelapp.db.locks import WORKER, Holder, locks, worker_lock
from labelapp.jobs import files, jobs
from labelapp.models import AgreementMeasurement, Export, ReviewMeasurement, TrainingRun, Upload
from labelapp.notifications.tasks import enqueue_if_due

SETTLE_SECONDS = 5


class WorkerLostError(Exception):
    """The worker of a task was killed."""


@contextmanager
def at_work(worker_id: str, queues: Iterable[str]) -> Iterator[None]:
    """Hold the lock of a task worker during the block, and settle what killed workers leave."""
    lock, is_over = worker_lock(worker_id), threading.Event()

    def keep_settling() -> None:
        while not is_over.wait(SETTLE_SECONDS):
            lock.touch()
            settle_patiently()

    with lock.held(queues=list(queues)):
        settle_patiently()
        thread = threading.Thread(target=keep_settling, daemon=True)
        thread.start()
        try:
            yield
        finally:
            is_over.set()


def settle_patiently() -> None:
    """Settle, or leave it to the next time if the database is busy or away."""
    try:
        settle()
    except DatabaseError:
        pass
    finally:
        connection.close()


def settle() -> None:
    """Settle the jobs and tasks of killed workers, and enqueue the mails and calls that are due."""
    running = jobs.with_age(DBTaskResult.objects.running())
    abandoned = [task.pk for task in running if jobs.is_abandoned(task)]
    files.mark_lost(Upload.objects.all())
    files.mark_lost(Export.objects.all())
    jobs.mark_lost(TrainingRun.objects.all())
    jobs.mark_lost(AgreementMeasurement.objects.all())
    jobs.mark_lost(ReviewMeasurement.objects.all())
    for model in (Upload, Export, TrainingRun, AgreementMeasurement, ReviewMeasurement):
        jobs.settle_queued(model._default_manager.all())
    for task in DBTaskResult.objects.running().filter(pk__in=abandoned):
        task.set_failed(WorkerLostError(jobs.LOST))
    remove_locks()
    enqueue_if_due()


def remove_locks() -> None:
    """Remove the locks of workers that were killed, once none of their tasks is left."""
    left = {worker for task in DBTaskResult.objects.running() for worker in task.worker_ids}
    for lock in locks(WORKER):
        if lock.holder() == Holder.GONE and lock.path.name.removeprefix(WORKER) not in left:
            lock.path.unlink(missing_ok=True)
