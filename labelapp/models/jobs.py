"""Background jobs: the state, progress and end that every kind of job has."""

import json
import math
from contextlib import suppress
from datetime import timedelta
from typing import Any, Self, TypeGuard, TypeVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.fields.json import KeyTransform
from django.utils.translation import gettext_lazy as _

from labelapp.models.projects import Project
from training.sentences import Sentence, from_json, to_json


class State(models.TextChoices):
    DRAFT = "draft", _("Draft")  # an upload that nobody has confirmed yet
    QUEUED = "queued", _("Queued")
    RUNNING = "running", _("Running")
    REFUSED = "refused", _("Refused")  # an upload with bad lines, of which nothing was imported
    DONE = "done", _("Done")
    FAILED = "failed", _("Failed")
    STOPPED = "stopped", _("Stopped")


ACTIVE = (State.QUEUED, State.RUNNING)
UNFINISHED = (State.DRAFT, *ACTIVE)
ENCODED = '{"template": '  # how the JSON of a sentence begins

AnyJob = TypeVar("AnyJob", bound="Job")


class ObjectField(models.JSONField):
    """A JSON object; any other stored value reads as {}.

    An earlier version, or somebody by hand, may have stored something else. Pages show many rows at
    once, and one odd row must not hide the others. The value of a key may be anything.
    """

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        found = super().from_db_value(value, expression, connection)
        return found if isinstance(expression, KeyTransform) else as_object(found)

    def deconstruct(self) -> Any:
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.JSONField", args, kwargs


def as_object(value: Any) -> dict[str, Any]:
    """Return a JSON value if it is an object, or {}."""
    return value if isinstance(value, dict) else {}


def is_number(value: object) -> TypeGuard[float]:
    """Return True if a JSON value is a number."""
    return isinstance(value, int | float) and not isinstance(value, bool)


class SentenceField(models.TextField[str, str]):
    """A sentence that pages translate, stored as JSON with its template and values.

    Other texts, and those of earlier versions, are stored as they are.
    """

    def get_prep_value(self, value: Any) -> Any:
        if isinstance(value, Sentence):
            return json.dumps(to_json(value))
        return super().get_prep_value(value)

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        if isinstance(value, str) and value.startswith(ENCODED):
            # A reason may quote a file, and begin like a sentence without being one.
            with suppress(ValueError, KeyError, TypeError, AttributeError):
                return from_json(json.loads(value))
        return value

    def deconstruct(self) -> Any:
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.TextField", args, kwargs


class JobQuerySet(models.QuerySet[AnyJob]):
    def active(self) -> Self:
        return self.filter(state__in=ACTIVE)


class Job(models.Model):
    """Work that a task worker does for a project; labelapp.jobs changes its state."""

    TASK: str  # the name of the task that does the work
    RETRIED = False  # whether a job whose worker was killed is queued again, once
    # Time without a heartbeat, by the database's clock, after which a running job is lost. It
    # decides only where no lock can be checked (db/locks.py).
    LOST_AFTER = timedelta(minutes=1)
    beaten_at = -math.inf  # time.monotonic() of the last heartbeat of this process

    project = models.ForeignKey(Project, models.CASCADE, related_name="%(class)ss")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    state = models.CharField(max_length=7, choices=State.choices, default=State.QUEUED)
    reason = SentenceField(blank=True)  # why it failed or was stopped
    done = models.BigIntegerField(default=0)  # of `total` bytes, prompts, steps or responses
    total = models.BigIntegerField(default=0)  # 0: not known
    stop_requested = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(
                name="%(class)s_state_known", condition=Q(state__in=State.values)
            ),
            models.CheckConstraint(
                name="%(class)s_failure_has_a_reason",
                condition=~Q(state=State.FAILED) | ~Q(reason=""),
            ),
            models.CheckConstraint(
                name="%(class)s_finished_when_over",
                condition=Q(state__in=UNFINISHED, finished_at=None)
                | (~Q(state__in=UNFINISHED) & Q(finished_at__isnull=False)),
            ),
        ]

    @property
    def is_active(self) -> bool:
        return self.state in ACTIVE
