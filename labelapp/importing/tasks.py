"""Uploads imported in the background."""

from django_tasks import task

from labelapp.importing import uploads
from labelapp.jobs.jobs import perform
from labelapp.models import Upload


# Ahead of tasks that can wait: somebody is waiting for it at the page.
@task(priority=5)
def import_upload(upload_id: int) -> str:
    """Import a queued upload, and return its state afterwards."""
    return perform(Upload.objects.all(), upload_id, uploads.execute)
