"""What the task worker does (`manage.py db_worker`)."""

from django_tasks import task

from labelapp import runs
from labelapp.models import TrainingRun


@task()
def train(run_id: int) -> str:
    """Execute a queued run. The run itself records what came of it."""
    run = TrainingRun.objects.select_related("project").filter(pk=run_id).first()
    if run is None:
        return "deleted"
    runs.execute(run)
    return run.state
