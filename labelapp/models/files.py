"""Files that come in and go out in the background: an upload, and an export."""

from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Q

from labelapp.models.projects import Project


class FileState(models.TextChoices):
    DRAFT = "draft"  # an upload whose reading is not confirmed yet
    QUEUED = "queued"
    RUNNING = "running"
    REFUSED = "refused"  # an upload with bad lines, of which nothing was imported
    DONE = "done"
    FAILED = "failed"
    STOPPED = "stopped"


class FileQuerySet(models.QuerySet["FileTransfer"]):
    def active(self) -> Self:
        return self.filter(state__in=(FileState.QUEUED, FileState.RUNNING))


class FileTransfer(models.Model):
    """A file on its way, and how far it is."""

    project = models.ForeignKey(Project, models.CASCADE, related_name="%(class)ss")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    state = models.CharField(
        max_length=7, choices=FileState.choices, default=FileState.QUEUED, db_default="queued"
    )
    name = models.CharField(max_length=255)  # of the file, as a person knows it
    folder = models.CharField(max_length=200, blank=True)  # below DATA_DIR
    format = models.CharField(max_length=20)
    options = models.JSONField(default=dict, blank=True)
    outcome = models.JSONField(default=dict, blank=True)  # counts of what was read or written
    done = models.BigIntegerField(default=0)  # bytes of an upload, prompts of an export
    total = models.BigIntegerField(default=0)
    reason = models.TextField(blank=True)  # why it failed, in words
    created_at = models.DateTimeField(auto_now_add=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = FileQuerySet.as_manager()

    class Meta:
        abstract = True
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(
                name="%(class)s_state_known", condition=Q(state__in=FileState.values)
            ),
            models.CheckConstraint(
                name="%(class)s_failure_has_a_reason",
                condition=~Q(state=FileState.FAILED) | ~Q(reason=""),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_active(self) -> bool:
        return self.state in (FileState.QUEUED, FileState.RUNNING)


class Upload(FileTransfer):
    """A file that somebody brought, from the first look at it to the rows that came of it."""

    size = models.BigIntegerField(default=0)  # bytes


class Export(FileTransfer):
    """A file that is written in the background, to be fetched when it is done."""
