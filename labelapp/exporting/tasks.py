"""Exports written in the background."""

from django_tasks import task

from labelapp.exporting import exports
from labelapp.jobs.jobs import perform
from labelapp.models import Export


# Ahead of tasks that can wait: somebody is waiting for it at the page.
@task(priority=5)
def write_export(export_id: int) -> str:
    """Write a queued export, and return its state afterwards."""
    return perform(Export.objects.all(), export_id, exports.execute)
