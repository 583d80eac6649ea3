"""The task that sends mails."""

from django_tasks import TaskResultStatus, task
from django_tasks_db.models import DBTaskResult

from labelapp.notifications import outbox


@task()
def send_mail() -> int:
    """Send the mails that are due, and return how many."""
    return outbox.send_due()


def enqueue_if_due() -> None:
    """Enqueue the task if a mail waits and no task will send it. Workers call this regularly."""
    if outbox.is_due() and not waiting():
        send_mail.enqueue()


def waiting() -> bool:
    ready = DBTaskResult.objects.filter(
        task_path=send_mail.module_path, status=TaskResultStatus.READY
    )
    return ready.exists()
