"""Background tasks: delete a project, copy its prompts, delete and restore prompts."""

from django_tasks import task

from labelapp.models import Project, PromptDeletion
from labelapp.projects import deletion, duplication, prompt_deletion


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


@task()
def delete_prompts(deletion_id: int) -> str:
    """Put the prompts of a deletion aside."""
    for found in PromptDeletion.objects.filter(pk=deletion_id):
        prompt_deletion.put_aside(found)
    return "deleted"


@task()
def restore_prompts(deletion_id: int) -> str:
    """Restore the prompts of a deletion."""
    for found in PromptDeletion.objects.filter(pk=deletion_id).select_related("project"):
        prompt_deletion.finish_restoring(found)
    return "restored"
