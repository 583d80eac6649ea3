"""Measure the review of a run in the background.

The task worker starts a separate process (`manage.py measure_review`) and stores its results, as it
does for agreement: the process needs numpy, which the processes of the web server do not load.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from labelapp.jobs import jobs, process
from labelapp.jobs.jobs import Enqueue
from labelapp.models import (
    Ranking,
    ReviewMeasurement,
    State,
    TrainingRun,
    User,
    counting_changed_since,
)
from labelapp.reviewing.results import Review


def start(*, run: TrainingRun, user: User, enqueue: Enqueue) -> None:
    """Queue a measurement, unless one of the run is in progress."""
    measurement = ReviewMeasurement(project=run.project, run=run, created_by=user)
    jobs.start_only(measurement, run.review_measurements.all(), enqueue)


def execute(measurement: ReviewMeasurement) -> None:
    """Measure. On return the measurement is done, failed or stopped."""
    jobs.execute(measurement, lambda: {"result": measure(measurement)})


def measure(measurement: ReviewMeasurement) -> dict[str, Any]:
    """Measure in a separate process. Raises FailedError if it fails."""
    return process.measure(measurement, ["measure_review", str(measurement.run_id)])


@dataclass(frozen=True)
class LastMeasurement:
    """The last measured figures of a run, and the state of a newer measurement."""

    review: Review | None = None
    at: datetime | None = None  # when it began
    is_active: bool = False
    is_stale: bool = False  # other rankings count since it began
    failed: str = ""  # reason why a newer measurement failed


def last_measurement(run: TrainingRun) -> LastMeasurement:
    """Return the last measurement of a run for its pages."""
    measurements = run.review_measurements.all()
    jobs.mark_lost(measurements.defer("result"))
    newest = measurements.defer("result").first()
    if newest is None:
        return LastMeasurement()
    done = newest if newest.state == State.DONE else measurements.filter(state=State.DONE).first()
    review = stored_review(done.result) if done else None
    return LastMeasurement(
        review=review,
        at=done.started_at if done and review else None,
        is_active=newest.is_active,
        is_stale=bool(done and review and changed_since(run, done)),
        failed=newest.reason,
    )


def changed_since(run: TrainingRun, measurement: ReviewMeasurement) -> bool:
    """Return True if the project's rankings that count have changed since a measurement began."""
    began = measurement.started_at
    if began is None:
        return False
    newest = Ranking.objects.filter(prompt__project=run.project_id).order_by("-pk").first()
    if newest is not None and newest.created_at > began:
        return True
    return counting_changed_since(run.project_id, began)


def stored_review(result: dict[str, Any]) -> Review | None:
    """Return a stored result, or None if it has another shape than this version writes."""
    try:
        return Review.from_json(result)
    except (AttributeError, KeyError, TypeError, ValueError):
        return None
