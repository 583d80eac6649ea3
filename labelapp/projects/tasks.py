"""Deleting projects in the background."""

from django_tasks import task

from labelapp.models import Project
from labelapp.projects import deletion


@task()
def delete_project(project_id: int) -> str:
    """Delete a hidden project."""
    for project in Project.objects.filter(pk=project_id, deleted_at__isnull=False):
        deletion.finish(project)
    return "deleted"
