"""`manage.py db_worker`: a task worker, which also settles what killed workers leave."""

from typing import Any

from django_tasks_db.management.commands import db_worker

from labelapp.importing.staging import delete_abandoned
from labelapp.jobs.workers import at_work


class Command(db_worker.Command):
    def handle(self, *, worker_id: str, queue_name: str, **options: Any) -> None:
        with at_work(worker_id, queue_name.split(",")):
            delete_abandoned()
            super().handle(worker_id=worker_id, queue_name=queue_name, **options)
