"""`manage.py clean_up`: delete what has expired."""

from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand

from labelapp.web.signin import forget_old_failures


class Command(BaseCommand):
    help = (
        "Delete expired sessions, the queue's rows of tasks that ended more than 14 days ago, and "
        "failed attempts to sign in that no longer count. `serve` does it once a day."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        call_command("clearsessions")
        call_command("prune_db_task_results", queue_name="*", verbosity=0)
        forget_old_failures()
