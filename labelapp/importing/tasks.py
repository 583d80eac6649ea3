"""Uploads imported in the background."""

from django_tasks import task

from labelapp.importing import uploads
from labelapp.models import Upload


# Before what may wait: somebody looks at the page.
@task(priority=5)
def import_upload(upload_id: int) -> str:
    """Import a queued upload, and return its state afterwards."""
    upload = Upload.objects.select_related("project").filter(pk=upload_id).first()
    if upload is None:
        return "deleted"
    uploads.execute(upload)
    return upload.state
