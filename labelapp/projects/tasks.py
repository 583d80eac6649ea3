"""Background tasks that delete a project, and that copy its prompts to a duplicate."""

from django_tasks import task

from labelapp.models import Project
from labelapp.projects import deletion, duplication


@task()
def delete_project(project_id: int) -> str:
    """Delete a hidden project."""
    for project in Project.objects.filter(pk=project_id, deleted_at__isnull=False):
        deletion.finish(project)
    return "deleted"


@task()
def copy_prompts(source_id: int, target_id: int) -> str:
    """Copy the prompts of a project into its duplicate."""
    projects = Project.objects.not_deleted().in_bulk([source_id, target_id])
    if len(projects) < 2:
        return "gone"
    return f"{duplication.copy_prompts(projects[source_id], projects[target_id])} prompts"
