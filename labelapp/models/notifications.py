"""Notifications, and how each person wants to receive them."""

from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Exists, OuterRef, Q

from labelapp.models.jobs import ObjectField
from labelapp.models.projects import Member, Project, Role, User


class Kind(models.TextChoices):
    """The kinds of notification that people can have shown in the page, and mailed."""

    ALERT = "alert"
    RUN = "run"
    UPLOAD = "upload"
    EXPORT = "export"
    CAMPAIGN = "campaign"
    COMMENT = "comment"
    MESSAGE = "message"
    TASK = "task"


class Event(models.TextChoices):
    """The events that people are notified of; labelapp.notifications.wording has the sentences."""

    ALERT_RAISED = "alert_raised"
    RUN_DONE = "run_done"
    RUN_FAILED = "run_failed"
    UPLOAD_DONE = "upload_done"
    UPLOAD_REFUSED = "upload_refused"
    UPLOAD_FAILED = "upload_failed"
    EXPORT_DONE = "export_done"
    EXPORT_FAILED = "export_failed"
    CAMPAIGN_DONE = "campaign_done"
    COMMENT_MADE = "comment_made"
    MESSAGE_SENT = "message_sent"
    TASK_ASSIGNED = "task_assigned"
    TASK_RETURNED = "task_returned"

    @property
    def kind(self) -> Kind:
        return Kind(self.value.split("_")[0])


class Mail(models.TextChoices):
    NEVER = "never"
    AT_ONCE = "at_once"
    DAILY = "daily"


# Who may read a notification of each kind, now: somebody's role may have changed since.
READERS = {
    Kind.ALERT: {Role.MANAGER},
    Kind.RUN: {Role.MANAGER, Role.REVIEWER},
    Kind.UPLOAD: {Role.MANAGER},
    Kind.EXPORT: {Role.MANAGER, Role.REVIEWER},
    Kind.CAMPAIGN: {Role.MANAGER},
    Kind.COMMENT: {Role.MANAGER, Role.REVIEWER},
    Kind.MESSAGE: {Role.MANAGER, Role.REVIEWER, Role.LABELLER},
    Kind.TASK: {Role.MANAGER, Role.REVIEWER, Role.LABELLER},
}
# Between a manager and one person: no webhook is told of them.
PERSONAL = {Kind.MESSAGE, Kind.TASK}


class NotificationQuerySet(models.QuerySet["Notification"]):
    def readable(self) -> Self:
        """Return notifications whose readers may open their project, in a role that includes them.

        Neither pages nor mails show any other.
        """
        member = Member.objects.filter(
            user=OuterRef("user"), project=OuterRef("project"), is_active=True
        )
        by_role = Q()
        for role in Role:
            kinds = [kind for kind, roles in READERS.items() if role in roles]
            by_role |= Q(Exists(member.filter(role=role)), kind__in=kinds)
        return self.filter(
            by_role | Q(user__is_superuser=True),
            user__is_active=True,
            project__deleted_at=None,
        )

    def listed_for(self, user: User) -> Self:
        """Return what the pages list for a user, the newest first."""
        shown = self.readable().filter(user=user, in_page=True)
        return shown.select_related("project").order_by("-pk")

    def unread(self) -> Self:
        return self.filter(read_at=None)


class Notification(models.Model):
    """One event, told to one person: in the page, by mail, or both."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="notifications")
    project = models.ForeignKey(Project, models.CASCADE, related_name="notifications")
    kind = models.CharField(max_length=8, choices=Kind.choices)
    event = models.CharField(max_length=20, choices=Event.choices)
    key = models.CharField(max_length=100)  # names the event, so that nobody is told of it twice
    about = ObjectField(default=dict, blank=True)  # names and numbers in its sentence
    path = models.CharField(max_length=300)  # of the page that it is about
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)
    in_page = models.BooleanField(default=True)
    read_at = models.DateTimeField(null=True, blank=True)
    # When it is to be mailed, or tried again; null when it is not, or no longer.
    mail_due_at = models.DateTimeField(null=True, blank=True)
    mail_attempts = models.PositiveSmallIntegerField(default=0)
    mail_problem = models.CharField(max_length=300, blank=True)  # of the last attempt
    mailed_at = models.DateTimeField(null=True, blank=True)

    objects = NotificationQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(name="notification_once", fields=["user", "key"]),
            models.CheckConstraint(
                name="notification_kind_known", condition=Q(kind__in=Kind.values)
            ),
            models.CheckConstraint(
                name="notification_event_known", condition=Q(event__in=Event.values)
            ),
        ]
        indexes = [
            models.Index(
                name="notification_unread",
                fields=["user"],
                condition=Q(read_at=None, in_page=True),
            ),
            models.Index(
                name="notification_to_mail",
                fields=["mail_due_at"],
                condition=Q(mail_due_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.event} {self.key}"


class NotificationChoice(models.Model):
    """Store how a person wants to be told of one kind. Without it: in the page, not by mail."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="notification_choices"
    )
    kind = models.CharField(max_length=8, choices=Kind.choices)
    in_page = models.BooleanField(default=True)
    mail = models.CharField(max_length=7, choices=Mail.choices, default=Mail.NEVER)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(name="notificationchoice_one", fields=["user", "kind"]),
            models.CheckConstraint(
                name="notificationchoice_kind_known", condition=Q(kind__in=Kind.values)
            ),
            models.CheckConstraint(
                name="notificationchoice_mail_known", condition=Q(mail__in=Mail.values)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind}: {self.mail}"
