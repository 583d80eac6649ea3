"""Mails: sent once, by the task worker, tried again, and never what somebody may not see."""

import smtplib
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from labelapp.jobs import workers
from labelapp.models import Event, Kind, Mail, Member, Notification, NotificationChoice, Role, User
from labelapp.notifications import outbox, tasks
from labelapp.notifications.telling import notify
from labelapp.overview.health import health
from tests.conftest import join
from tests.labelapp.jobs.test_queues import run_worker

pytestmark = pytest.mark.django_db


class Unreachable(EmailBackend):
    """A mail server that refuses one address."""

    def send_messages(self, messages: Any) -> int:
        if any("manager@" in address for message in messages for address in message.to):
            raise smtplib.SMTPServerDisconnected("gone")
        return super().send_messages(messages)


@pytest.fixture(autouse=True)
def server(settings: Any) -> None:
    settings.EMAIL_HOST = "mail.example.org"
    settings.PUBLIC_URL = "https://podium.example.org"


def wants_mail(member: Member) -> Member:
    User.objects.filter(pk=member.user_id).update(email=f"{member.name}@example.org")
    NotificationChoice.objects.create(user=member.user, kind=Kind.RUN, mail=Mail.AT_ONCE)
    return member


def tell(member: Member, key: str = "run-1") -> None:
    assert member.user_id
    notify(
        project=member.project_id,
        event=Event.RUN_DONE,
        key=key,
        path="/projects/kitchen/runs/7/",
        to=[member.user_id],
        about={"name": "", "number": 7},
    )


def try_again() -> None:
    """Let the time pass until the next attempt."""
    waiting = Notification.objects.filter(mail_due_at__isnull=False)
    waiting.update(mail_due_at=timezone.now() - timedelta(seconds=1))
    outbox.send_due()


def test_a_notification_is_mailed_once(manager: Member) -> None:
    tell(wants_mail(manager))
    assert mail.outbox == []  # not by who has told it
    assert outbox.send_due() == 1
    assert outbox.send_due() == 0
    tell(manager)  # of the same event
    outbox.send_due()
    (sent,) = mail.outbox
    assert sent.to == ["manager@example.org"]
    assert sent.subject == "Kitchen: Run 7 has finished."
    link = f"https://podium.example.org/notifications/{Notification.objects.get().pk}/"
    assert link in sent.body


def test_several_at_a_time_come_in_one_mail(manager: Member) -> None:
    wants_mail(manager)
    for key in ("run-1", "run-2"):
        tell(manager, key)
    outbox.send_due()
    (sent,) = mail.outbox
    assert sent.subject == "2 notifications from Podium"
    assert sent.body.count("Run 7 has finished.") == 2


def test_the_worker_sends_what_is_due(manager: Member) -> None:
    workers.settle()
    assert not DBTaskResult.objects.exists()
    tell(wants_mail(manager))
    workers.settle()
    workers.settle()
    assert DBTaskResult.objects.count() == 1
    assert tasks.send_mail.module_path == DBTaskResult.objects.get().task_path


def test_a_mail_comes_in_the_language_of_its_reader(manager: Member, client: Any) -> None:
    wants_mail(manager)
    client.force_login(manager.user)
    client.post("/language/", {"language": "de", "next": "/"})
    assert User.objects.get(pk=manager.user_id).language == "de"
    tell(manager)
    outbox.send_due()
    assert mail.outbox[0].subject == "Kitchen: Lauf 7 ist fertig."


class Slow(EmailBackend):
    """A mail server that is so slow that another worker looks in while it takes a mail."""

    claimed_at_a_time: list[int] = []

    def send_messages(self, messages: Any) -> int:
        sent = super().send_messages(messages)
        claimed = Notification.objects.filter(mail_due_at__gt=timezone.now())
        Slow.claimed_at_a_time.append(claimed.count())
        return sent


def test_a_mail_is_claimed_just_before_it_is_sent(
    manager: Member, reviewer: Member, settings: Any
) -> None:
    settings.EMAIL_BACKEND = f"{__name__}.Slow"
    Slow.claimed_at_a_time.clear()
    for member in (manager, reviewer):
        tell(wants_mail(member))
    assert outbox.send_due() == 2
    assert Slow.claimed_at_a_time == [1, 1]


def test_a_failed_mail_is_tried_again_and_keeps_nobody_from_theirs(
    manager: Member, reviewer: Member, settings: Any
) -> None:
    settings.EMAIL_BACKEND = f"{__name__}.Unreachable"
    for member in (manager, reviewer):
        tell(wants_mail(member))
    assert outbox.send_due() == 1
    assert [sent.to for sent in mail.outbox] == [["reviewer@example.org"]]
    failed = Notification.objects.get(user=manager.user)
    assert failed.mail_due_at is not None
    assert failed.mail_due_at > timezone.now()
    assert "gone" in failed.mail_problem
    assert "gone" in health().mail_problem
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    try_again()
    assert [sent.to for sent in mail.outbox][1:] == [["manager@example.org"]]
    assert health().mail_problem == ""


def test_a_mail_is_given_up_in_the_end_and_stays_in_the_page(
    manager: Member, settings: Any
) -> None:
    settings.EMAIL_BACKEND = f"{__name__}.Unreachable"
    tell(wants_mail(manager))
    for _ in range(len(outbox.WAITS) + 1):
        try_again()
    assert manager.user
    (left,) = Notification.objects.listed_for(manager.user)
    assert (left.mail_due_at, left.mailed_at) == (None, None)
    assert left.mail_attempts == len(outbox.WAITS) + 1


def test_a_mail_that_ends_its_worker_each_time_is_given_up(manager: Member) -> None:
    tell(wants_mail(manager))
    assert manager.user
    for _ in range(len(outbox.WAITS) + 1):
        Notification.objects.update(mail_due_at=timezone.now() - timedelta(seconds=1))
        assert len(outbox.claim(manager.user)) == 1  # and no more: it was killed
    try_again()
    assert mail.outbox == []
    assert not outbox.is_due()
    assert Notification.objects.listed_for(manager.user).exists()


def test_what_another_worker_sends_is_left_to_it(manager: Member) -> None:
    tell(wants_mail(manager))
    assert manager.user
    claimed = outbox.claim(manager.user)
    assert len(claimed) == 1
    assert outbox.send_due() == 0
    try_again()  # that worker was killed
    assert len(mail.outbox) == 1


def test_nothing_is_mailed_to_somebody_who_may_not_see_it_any_more(manager: Member) -> None:
    others = [join(manager.project, name, Role.MANAGER) for name in ("gone", "lower", "closed")]
    for member in others:
        tell(wants_mail(member))
    gone, lower, closed = others
    Member.objects.filter(pk=gone.pk).update(is_active=False)
    Member.objects.filter(pk=lower.pk).update(role=Role.LABELLER)
    User.objects.filter(pk=closed.user_id).update(is_active=False)
    assert outbox.send_due() == 0
    assert mail.outbox == []
    assert not outbox.is_due()


def test_nothing_is_mailed_where_no_server_is_set_up(manager: Member, settings: Any) -> None:
    settings.EMAIL_HOST = ""
    tell(wants_mail(manager))
    assert not outbox.is_due()


@pytest.mark.django_db(transaction=True)
def test_a_worker_runs_the_task(manager: Member) -> None:
    tell(wants_mail(manager))
    tasks.enqueue_if_due()
    run_worker("default")
    assert DBTaskResult.objects.get().status == "SUCCESSFUL"
