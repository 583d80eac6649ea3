"""The background task of training, which has its own queue and worker."""

from django_tasks import task

from labelapp.jobs.jobs import perform
from labelapp.models import TrainingRun
from labelapp.runs import lifecycle


@task(queue_name="training")
def train(run_id: int) -> str:
    """Execute a queued run and return its final state."""
    return perform(TrainingRun.objects.all(), run_id, lifecycle.execute)
