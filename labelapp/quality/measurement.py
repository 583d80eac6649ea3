"""Agreement: how far a project's labellers rank alike, measured in the background.

The figures are computed in a process of its own (`manage.py measure_agreement`), because they need
numpy, which the pages do without: it would cost each of their processes 16 MiB. The task worker
starts it; what it found stays as the result of the task, and the pages read it there.
"""

import json
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import OperationalError
from django.utils import timezone
from django_tasks import TaskResultStatus
from django_tasks_db.models import DBTaskResult

from labelapp.jobs.environment import environment
from labelapp.models import Project
from labelapp.quality.results import Agreement

TASK = "labelapp.quality.tasks.measure_agreement"
TASKS = (TASK, "labelapp.tasks.measure_agreement")  # an earlier version's path
BEAT_SECONDS = 20  # between signs of life of a measurement
SILENT = timedelta(minutes=5)  # for so long, and it went with its task worker


class CannotMeasureError(Exception):
    """The process that measures failed; the message is the end of what it said."""


def measure(project: Project) -> dict[str, Any]:
    """Measure in a process of its own. Raises CannotMeasureError where that fails."""
    command = [sys.executable, "manage.py", "measure_agreement", f"--project={project.slug}"]
    with subprocess.Popen(
        [*command, "--json", "--by-task"],
        cwd=settings.BASE_DIR,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            out, errors = said_by(process, project)
        finally:
            process.kill()  # at its end already, or no longer wanted
    if process.returncode != 0:
        said = errors.strip().splitlines()
        raise CannotMeasureError(said[-1] if said else f"exit status {process.returncode}")
    found: dict[str, Any] = json.loads(out)
    return found


def said_by(process: "subprocess.Popen[str]", project: Project) -> tuple[str, str]:
    """What a process said until its end, noting meanwhile that it is at it."""
    while True:
        try:
            return process.communicate(timeout=BEAT_SECONDS)
        except subprocess.TimeoutExpired:
            beat(project)


def beat(project: Project) -> None:
    """Note that the project is still being measured, unless the database is busy."""
    tasks = DBTaskResult.objects.filter(task_path__in=TASKS, args_kwargs__args__0=project.pk)
    with suppress(OperationalError):
        tasks.filter(status=TaskResultStatus.RUNNING).update(started_at=timezone.now())


def store(project: Project, found: Agreement, began: datetime) -> None:
    """Have the pages show a measurement that no task made, as they show those of tasks."""
    now = timezone.now()
    DBTaskResult.objects.create(
        task_path=TASK,
        args_kwargs={"args": [project.pk], "kwargs": {}},
        status=TaskResultStatus.SUCCESSFUL,
        run_after=now,
        started_at=began,
        finished_at=now,
        return_value=found.to_json(),
    )


@dataclass(frozen=True)
class Measurement:
    """What a page shows: the last agreement that was measured, and whether one is on its way."""

    agreement: Agreement | None = None
    at: datetime | None = None  # when it was measured
    is_active: bool = False
    failed: str = ""  # why the last one, after this, came to nothing


def last_measurement(project: Project) -> Measurement:
    tasks = DBTaskResult.objects.filter(task_path__in=TASKS, args_kwargs__args__0=project.pk)
    newest = tasks.order_by("-enqueued_at").first()
    if newest is None:
        return Measurement()
    good = tasks.filter(status=TaskResultStatus.SUCCESSFUL).order_by("-finished_at").first()
    return Measurement(
        agreement=Agreement.from_json(good.return_value or {}) if good else None,
        at=good.finished_at if good else None,
        is_active=is_active(newest),
        failed=failure(newest),
    )


def is_active(task: "DBTaskResult[Any, Any]") -> bool:
    """Whether a task waits or runs. One that gives no sign of life went with its worker."""
    if task.status == TaskResultStatus.RUNNING:
        return task.started_at is not None and task.started_at > timezone.now() - SILENT
    return bool(task.status == TaskResultStatus.READY)


def failure(task: "DBTaskResult[Any, Any]") -> str:
    """Why a task came to nothing, in a line; empty where it did not."""
    if task.status == TaskResultStatus.FAILED:
        lines = task.traceback.strip().splitlines()
        return lines[-1].partition(": ")[2] if lines else "no reason was given"
    if task.status == TaskResultStatus.RUNNING and not is_active(task):
        return "the task worker that measured has gone"
    return ""
