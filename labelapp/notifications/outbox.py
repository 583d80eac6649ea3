"""Mail notifications: each of them once, with retries while the mail server is away.

A row is claimed by moving the time at which it is due, so that two workers never send the same one.
Only a mail that a worker was sending when it was killed is sent again, because nobody knows whether
it had reached the mail server.
"""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from smtplib import SMTPException

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.db.models import F
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from labelapp.db.retry import with_retries
from labelapp.models import Notification, User
from labelapp.notifications.wording import sentence

logger = logging.getLogger("labelapp.mail")

CLAIM = timedelta(minutes=10)  # for sending; then another worker tries
# Between two attempts. After the last one the mail is given up; the page still has it.
WAITS = [timedelta(minutes=minutes) for minutes in (1, 5, 30, 2 * 60, 6 * 60, 12 * 60, 24 * 60)]
AT_ONCE = 500  # of a person's rows, claimed at a time
IN_ONE_MAIL = 50  # sentences; the page has the others


def is_due() -> bool:
    """Return whether a mail waits to be sent now."""
    return Notification.objects.filter(mail_due_at__lte=timezone.now()).exists()


def send_due() -> int:
    """Send the mails that are due, one to each person, and return how many were sent.

    A mail that fails keeps nobody else from theirs.
    """
    with_retries(give_up)
    due = Notification.objects.filter(mail_due_at__lte=timezone.now())
    users = User.objects.filter(pk__in=due.values("user")).order_by("pk")
    server = get_connection()
    # Each is claimed just before it is sent: a slow mail server keeps no claim beyond its time.
    sent = sum(send_to(server, user) for user in list(users))
    close(server)
    return sent


def give_up() -> None:
    """Give up the mails whose last attempt has ended their worker, so that nothing is stored."""
    due = Notification.objects.filter(mail_due_at__lte=timezone.now())
    lost = due.filter(mail_attempts__gt=len(WAITS))
    for user in list(lost.values_list("user", flat=True).distinct().order_by("user")):
        logger.error("A mail to user %s is given up: its worker ended each time", user)
    lost.update(mail_due_at=None)


def send_to(server: BaseEmailBackend, user: User) -> bool:
    """Send a person everything that is due, in one mail. Return whether a mail was sent."""
    claimed = claim(user)
    withdraw_unreadable(claimed)
    rows = Notification.objects.filter(pk__in=claimed, mail_due_at__isnull=False)
    told = list(rows.select_related("project").order_by("pk"))
    if not told:
        return False
    problem = send(server, user, told)
    with_retries(partial(settle, told, problem))
    return not problem


def claim(user: User) -> list[int]:
    """Return the keys of a person's rows that are due and that this process has claimed."""
    due = Notification.objects.filter(user=user, mail_due_at__lte=timezone.now())
    found = due.order_by("mail_due_at").values_list("pk", "mail_due_at")[:AT_ONCE]
    return [pk for pk, due_at in list(found) if with_retries(partial(take, pk, due_at))]


def take(pk: int, due_at: datetime | None) -> bool:
    """Claim a row, unless another process has."""
    row = Notification.objects.filter(pk=pk, mail_due_at=due_at)
    later = timezone.now() + CLAIM
    return bool(row.update(mail_due_at=later, mail_attempts=F("mail_attempts") + 1))


def withdraw_unreadable(claimed: Sequence[int]) -> None:
    """Cancel the mails that their readers may no longer see, and those without an address."""
    rows = Notification.objects.filter(pk__in=claimed)
    readable = rows.readable().exclude(user__email="").values_list("pk", flat=True)
    lost = set(claimed) - set(readable)
    with_retries(partial(rows.filter(pk__in=lost).update, mail_due_at=None))


def send(server: BaseEmailBackend, user: User, told: Sequence[Notification]) -> str:
    """Send one mail, and return the problem, as a sentence, or ""."""
    try:
        with translation.override(user.language or settings.LANGUAGE_CODE):
            server.send_messages([mail(server, user, told)])
    except (SMTPException, OSError, ValueError) as error:  # ValueError: an address with a newline
        close(server)
        problem = f"{type(error).__name__}: {error}"[:300]
        logger.warning("A mail to user %s could not be sent: %s", user.pk, problem)
        return problem
    return ""


def mail(server: BaseEmailBackend, user: User, told: Sequence[Notification]) -> EmailMessage:
    """Return a mail in the active language."""
    lines = [f"{one.project.name}: {sentence(one)}\n{link(one)}" for one in told[:IN_ONE_MAIL]]
    if len(told) == 1:
        subject = f"{told[0].project.name}: {sentence(told[0])}"
    else:
        subject = ngettext(
            "%(count)s notification from Podium", "%(count)s notifications from Podium", len(told)
        ) % {"count": len(told)}
    settings_page = f"{settings.PUBLIC_URL}/notifications/settings/"
    foot = _("Choose which mails you get: %(address)s") % {"address": settings_page}
    return EmailMessage(
        subject=" ".join(subject.split()),
        body="\n\n".join([*lines, "-- ", foot]) + "\n",
        to=[user.email],
        connection=server,
        headers={"Auto-Submitted": "auto-generated"},
    )


def link(notification: Notification) -> str:
    return f"{settings.PUBLIC_URL}/notifications/{notification.pk}/"


def settle(told: Sequence[Notification], problem: str) -> None:
    """Store that a mail was sent, or when it is tried again."""
    rows = Notification.objects.filter(pk__in=[one.pk for one in told])
    if not problem:
        rows.update(mail_due_at=None, mailed_at=timezone.now(), mail_problem="")
        return
    for one in told:
        wait = WAITS[one.mail_attempts - 1] if one.mail_attempts <= len(WAITS) else None
        if wait is None:
            logger.error("A mail to user %s is given up: %s", one.user_id, problem)
        again = timezone.now() + wait if wait else None
        rows.filter(pk=one.pk).update(mail_due_at=again, mail_problem=problem)


def close(server: BaseEmailBackend) -> None:
    """Close the connection, so that the next mail opens another."""
    try:
        server.close()
    except (SMTPException, OSError):
        logger.debug("The mail server had closed the connection.")


def problem() -> str:
    """Return the last error of the mails that wait for another attempt, or ""."""
    tried = Notification.objects.filter(mail_due_at__isnull=False).exclude(mail_problem="")
    return tried.order_by("-pk").values_list("mail_problem", flat=True).first() or ""
