"""Training in the background: the queue of its own in which a task worker takes runs."""

from django_tasks import task

from labelapp.models import TrainingRun
from labelapp.runs import lifecycle


@task(queue_name="training")
def train(run_id: int) -> str:
    """Execute a queued run, and return its state afterwards."""
    run = TrainingRun.objects.select_related("project").filter(pk=run_id).first()
    if run is None:
        return "deleted"
    lifecycle.execute(run)
    return run.state
