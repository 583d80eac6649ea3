"""The tasks that send mails and call webhooks."""

from django_tasks import TaskResultStatus, task
from django_tasks.base import Task
from django_tasks_db.models import DBTaskResult

from labelapp.notifications import outbox, webhooks


@task()
def send_mail() -> int:
    """Send the mails that are due, and return how many."""
    return outbox.send_due()


@task()
def call_webhooks() -> int:
    """Make the calls of webhooks that are due, and return how many succeeded."""
    return webhooks.call_due()


def enqueue_if_due() -> None:
    """Enqueue a task whose work waits, unless it waits as well. Workers call this regularly."""
    if outbox.is_due():
        enqueue_once(send_mail)
    if webhooks.is_due():
        enqueue_once(call_webhooks)


def enqueue_once(work: Task) -> None:
    waiting = DBTaskResult.objects.filter(task_path=work.module_path, status=TaskResultStatus.READY)
    if not waiting.exists():
        work.enqueue()
