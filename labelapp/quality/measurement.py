"""Agreement: how far a project's labellers rank alike, measured in the background.

The figures are computed in a process of its own (`manage.py measure_agreement`), because they need
numpy, which the pages do without: it would cost each of their processes 16 MiB. The task worker
starts it and stores what it found.
"""

import json
import subprocess
import sys
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import IntegrityError

from labelapp.jobs import jobs, process
from labelapp.jobs.environment import environment
from labelapp.jobs.jobs import Enqueue, FailedError
from labelapp.models import AgreementMeasurement, Project, State, User
from labelapp.quality.results import Agreement


def start(*, project: Project, user: User, enqueue: Enqueue) -> None:
    """Queue a measurement, unless one is under way."""
    jobs.mark_lost(project.measurements.all())
    try:
        jobs.start(AgreementMeasurement(project=project, created_by=user), enqueue)
    except IntegrityError:  # the constraint allows one active measurement of a project
        return


def execute(measurement: AgreementMeasurement) -> None:
    """Measure; on return the measurement is done, failed or stopped."""
    jobs.execute(measurement, lambda: {"result": measure(measurement)})


def measure(measurement: AgreementMeasurement) -> dict[str, Any]:
    """Measure in a process of its own. Raises FailedError where that fails."""
    project = f"--project={measurement.project.slug}"
    started = subprocess.Popen(
        [sys.executable, "manage.py", "measure_agreement", project, "--json", "--by-task"],
        cwd=settings.BASE_DIR,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    out, errors = process.watch(started, lambda: jobs.beat(measurement))
    if started.returncode != 0:
        lines = errors.strip().splitlines() or [process.describe_end(started.returncode)]
        raise FailedError(f"{lines[-1].rstrip('.')}.")
    found: dict[str, Any] = json.loads(out)
    return found


@dataclass(frozen=True)
class Shown:
    """What a page shows: the last agreement that was measured, and whether one is on its way."""

    agreement: Agreement | None = None
    at: datetime | None = None  # when it was measured
    is_active: bool = False
    is_stopping: bool = False
    failed: str = ""  # why the last one failed, if it came after this


def last_measurement(project: Project) -> Shown:
    """Return what the pages show of a project's measurements."""
    jobs.mark_lost(project.measurements.defer("result"))
    newest = project.measurements.defer("result").first()
    if newest is None:
        return Shown()
    done = project.measurements.filter(state=State.DONE).order_by("-finished_at").first()
    return Shown(
        agreement=Agreement.from_json(done.result) if done else None,
        at=done.finished_at if done else None,
        is_active=newest.is_active,
        is_stopping=newest.stop_requested,
        failed=newest.reason,
    )
