"""Exports written in the background."""

from django_tasks import task

from labelapp.exporting import exports
from labelapp.models import Export


# Before what may wait: somebody looks at the page.
@task(priority=5)
def write_export(export_id: int) -> str:
    """Write a queued export, and return its state afterwards."""
    export = Export.objects.select_related("project").filter(pk=export_id).first()
    if export is None:
        return "deleted"
    exports.execute(export)
    return export.state
