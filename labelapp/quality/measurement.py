"""Measure the agreement of a project's labellers in the background.

The task worker starts a separate process (`manage.py measure_agreement`) and stores its results.
The process needs numpy, which would cost every process of the web server 16 MiB.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from labelapp.db.retry import with_retries
from labelapp.jobs import jobs, process
from labelapp.jobs.jobs import Enqueue
from labelapp.models import (
    AgreementMeasurement,
    Project,
    State,
    User,
    counting_changed_since,
)
from labelapp.notifications.telling import tell_of_alerts
from labelapp.quality.results import LabellerAgreement


def start(*, project: Project, user: User, enqueue: Enqueue) -> None:
    """Queue a measurement, unless one is in progress."""
    measurement = AgreementMeasurement(project=project, created_by=user)
    jobs.start_only(measurement, project.measurements.all(), enqueue)


def execute(measurement: AgreementMeasurement) -> None:
    """Measure. On return the measurement is done, failed or stopped."""
    jobs.execute(measurement, lambda: {"result": measure(measurement)})


def measure(measurement: AgreementMeasurement) -> dict[str, Any]:
    """Measure in a separate process. Raises FailedError if it fails."""
    project = f"--project={measurement.project.slug}"
    result = process.measure(measurement, ["measure_agreement", project, "--json", "--by-task"])
    tell_of_new_alerts(measurement, result)
    return result


def tell_of_new_alerts(measurement: AgreementMeasurement, result: dict[str, Any]) -> None:
    """Tell managers which labellers stand out in a way in which they did not before."""
    project = measurement.project
    before = project.measurements.filter(state=State.DONE).order_by("-finished_at").first()
    known = alerts_of(stored_agreement(before.result) if before else None)
    new = alerts_of(stored_agreement(result)) - known
    members = project.members.filter(pk__in={member for member, _ in new})
    names = list(members.order_by("name").values_list("name", flat=True))
    with_retries(partial(tell_of_alerts, project, measurement.pk, names))


def alerts_of(agreement: LabellerAgreement | None) -> set[tuple[int, str]]:
    """Return which labellers stand out, and in which ways."""
    people = agreement.people if agreement else ()
    return {(one.member, alert.kind) for one in people for alert in one.alerts if one.member}


@dataclass(frozen=True)
class LastMeasurement:
    """The last measured agreement, and the state of a newer measurement."""

    agreement: LabellerAgreement | None = None
    at: datetime | None = None  # time of the measurement
    began: datetime | None = None  # rankings made since are not in it
    is_active: bool = False
    is_stopping: bool = False
    is_stale: bool = False  # rankings were left out or returned, or count again, since it began
    failed: str = ""  # reason why a newer measurement failed


def last_measurement(project: Project) -> LastMeasurement:
    """Return the last measurement of a project for its pages."""
    jobs.mark_lost(project.measurements.defer("result"))
    newest = project.measurements.defer("result").first()
    if newest is None:
        return LastMeasurement()
    done = project.measurements.filter(state=State.DONE).order_by("-finished_at").first()
    agreement = stored_agreement(done.result) if done else None
    return LastMeasurement(
        agreement=agreement,
        at=done.finished_at if done and agreement else None,
        began=begin_of(done) if done and agreement else None,
        is_active=newest.is_active,
        is_stopping=newest.stop_requested,
        is_stale=bool(done and agreement and not newest.is_active and changed_since(done)),
        failed=newest.reason,
    )


def begin_of(measurement: AgreementMeasurement) -> datetime:
    return measurement.started_at or measurement.created_at


def changed_since(measurement: AgreementMeasurement) -> bool:
    """Return True if rankings were left out or returned, or count again, since it began."""
    return counting_changed_since(measurement.project_id, begin_of(measurement))


def stored_agreement(result: dict[str, Any]) -> LabellerAgreement | None:
    """Return a stored result, or None if it has another shape than this version writes."""
    try:
        return LabellerAgreement.from_json(result)
    except (AttributeError, KeyError, TypeError, ValueError):
        return None
