"""`manage.py clean_up`: delete what has expired."""

from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand

from labelapp.importing import uploads
from labelapp.importing.staging import delete_abandoned
from labelapp.models import Project, Upload
from labelapp.notifications import telling
from labelapp.projects import deletion, prompt_deletion
from labelapp.web.signin import forget_old_failures


class Command(BaseCommand):
    help = (
        "Delete expired sessions, the queue's rows of tasks that ended more than 14 days ago, "
        "failed attempts to sign in that no longer count, notifications that are 90 days old, "
        "files of uploads that are 14 days old, prompts that were deleted 30 days ago, and what is "
        "left of interrupted imports and deletions. `serve` does it once a day."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        call_command("clearsessions")
        call_command("prune_db_task_results", queue_name="*", verbosity=0)
        forget_old_failures()
        telling.delete_old()
        uploads.tidy(Upload.objects.all())
        delete_abandoned()
        prompt_deletion.delete_expired()
        for project in Project.objects.filter(deleted_at__isnull=False):
            try:
                deletion.finish(project)
            except deletion.CannotDeleteError as error:
                self.stderr.write(f"{project.slug}: {error}")
