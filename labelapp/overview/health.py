"""The machine behind the pages: the queues of background jobs, their workers, and the disk."""

import shutil
from dataclasses import dataclass

from django.conf import settings
from django.db.models import Count
from django_tasks import TaskResultStatus
from django_tasks_db.models import DBTaskResult

from labelapp.db.locks import queues_without_worker
from labelapp.notifications import outbox
from labelapp.web.health import RESERVED_BYTES


@dataclass(frozen=True)
class Health:
    """Hold the state of the jobs of all projects and of the disk of DATA_DIR."""

    waiting: dict[str, int]  # by queue
    running: int
    without_worker: list[str]  # queues
    free_bytes: int | None  # None: the folder cannot be read
    mail_problem: str  # why mails wait that were tried; "" if none do

    @property
    def jobs_waiting(self) -> int:
        return sum(self.waiting.values())

    @property
    def stuck(self) -> list[str]:
        """Return the queues with waiting jobs that no worker takes."""
        return [queue for queue in self.without_worker if self.waiting.get(queue)]

    @property
    def is_disk_full(self) -> bool:
        return self.free_bytes is not None and self.free_bytes < RESERVED_BYTES


def health() -> Health:
    """Return the state of the machine, with two queries."""
    tasks = DBTaskResult.objects.exclude(
        status__in=(TaskResultStatus.SUCCESSFUL, TaskResultStatus.FAILED)
    )
    counts = tasks.values_list("queue_name", "status").annotate(Count("pk")).order_by()
    waiting: dict[str, int] = {}
    running = 0
    for queue, status, number in counts:
        if status == TaskResultStatus.RUNNING:
            running += number
        else:
            waiting[queue] = waiting.get(queue, 0) + number
    try:
        free = shutil.disk_usage(settings.DATA_DIR).free
    except OSError:
        free = None
    return Health(waiting, running, queues_without_worker(), free, outbox.problem())
