"""The background tasks of every room, importable at the paths that queued rows name."""

from labelapp.exporting.tasks import write_export
from labelapp.importing.tasks import import_upload
from labelapp.projects.tasks import copy_prompts, delete_project
from labelapp.quality.tasks import measure_agreement
from labelapp.reviewing.tasks import measure_review
from labelapp.runs.tasks import train

__all__ = [
    "copy_prompts",
    "delete_project",
    "import_upload",
    "measure_agreement",
    "measure_review",
    "train",
    "write_export",
]
