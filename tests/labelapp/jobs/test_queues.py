"""The queues of the task workers: what is quick never waits for a training."""

import os
import subprocess
import sys

import pytest
from django.conf import settings
from django.db import connection
from django_tasks import TaskResultStatus
from django_tasks_db.management.commands.db_worker import Worker
from django_tasks_db.models import DBTaskResult

from labelapp.jobs.environment import database_url
from labelapp.quality.tasks import measure_agreement
from labelapp.runs.tasks import train

pytestmark = pytest.mark.django_db(transaction=True)  # a worker closes its connection

NO_RUN = 0


def work_off(queue: str) -> None:
    """Have a task worker do what waits in the queue."""
    worker = Worker(
        queue_names=[queue],
        interval=0,
        batch=True,
        backend_name="default",
        startup_delay=False,
        max_tasks=None,
        worker_id="test",
        excluded_queue_names=[],
    )
    worker.run()


def run_worker(queue: str) -> None:
    """Have a task worker, a process of its own on this test's database, empty the queue."""
    environment = {
        "PATH": os.environ["PATH"],
        "DATA_DIR": str(settings.DATA_DIR),
        "DATABASE_URL": database_url(connection.settings_dict),
    }
    worker = [sys.executable, "manage.py", "db_worker", "--batch", "--verbosity", "0"]
    subprocess.run(
        [*worker, "--queue-name", queue], cwd=settings.BASE_DIR, env=environment, check=True
    )


def waiting() -> list[str]:
    ready = DBTaskResult.objects.filter(status=TaskResultStatus.READY)
    return [path.rpartition(".")[2] for path in ready.values_list("task_path", flat=True)]


def test_only_the_worker_that_trains_takes_a_training() -> None:
    train.enqueue(NO_RUN)
    measure_agreement.enqueue(0)
    work_off("default")
    assert waiting() == ["train"]
    measure_agreement.enqueue(0)
    work_off("training")
    assert waiting() == ["measure_agreement"]


def test_one_worker_may_do_everything() -> None:
    train.enqueue(NO_RUN)
    measure_agreement.enqueue(0)
    work_off("*")
    assert waiting() == []


def test_a_training_that_was_queued_before_there_were_two_queues_still_runs() -> None:
    train.using(queue_name="default").enqueue(NO_RUN)
    work_off("default")
    assert DBTaskResult.objects.get().return_value == "deleted"
