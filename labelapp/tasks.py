"""What the task workers do (`manage.py db_worker --queue-name ...`)."""

from typing import Any

from django_tasks import task

from labelapp import agreement, preparing, runs, uploading
from labelapp.models import Export, Project, TrainingRun, Upload


@task(queue_name="training")
def train(run_id: int) -> str:
    """Execute a queued run. The run itself records what came of it."""
    run = TrainingRun.objects.select_related("project").filter(pk=run_id).first()
    if run is None:
        return "deleted"
    runs.execute(run)
    return run.state


# Before what else waits: it takes seconds, and somebody looks at the page.
@task(priority=10)
def measure_agreement(project_id: int) -> dict[str, Any] | None:
    """Measure how far a project's labellers rank alike; the result is what the pages show."""
    project = Project.objects.filter(pk=project_id).first()
    return agreement.measure(project) if project is not None else None


# Somebody waits for a file too.
@task(priority=5)
def import_upload(upload_id: int) -> str:
    """Import a queued upload. The upload itself records what came of it."""
    upload = Upload.objects.select_related("project").filter(pk=upload_id).first()
    if upload is None:
        return "deleted"
    uploading.execute(upload)
    return upload.state


@task(priority=5)
def write_export(export_id: int) -> str:
    """Write a queued export. The export itself records what came of it."""
    export = Export.objects.select_related("project").filter(pk=export_id).first()
    if export is None:
        return "deleted"
    preparing.execute(export)
    return export.state
