"""Measuring agreement in the background."""

from typing import Any

from django_tasks import task

from labelapp.models import Project
from labelapp.quality import measurement


# Before what else waits: it takes seconds, and somebody looks at the page.
@task(priority=10)
def measure_agreement(project_id: int) -> dict[str, Any] | None:
    """Measure how far a project's labellers agree, and return what the pages show."""
    project = Project.objects.filter(pk=project_id).first()
    return measurement.measure(project) if project is not None else None
