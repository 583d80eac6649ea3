"""Measuring the review of a run in the background."""

from django_tasks import task

from labelapp.jobs.jobs import perform
from labelapp.models import ReviewMeasurement
from labelapp.reviewing import measurement


# Ahead of other tasks: it takes seconds, and somebody is waiting for it at the page.
@task(priority=10)
def measure_review(measurement_id: int) -> str:
    """Execute a queued measurement, and return its state afterwards."""
    return perform(ReviewMeasurement.objects.all(), measurement_id, measurement.execute)
