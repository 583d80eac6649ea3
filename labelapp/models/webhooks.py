"""A project's webhook, which receives the same notifications as its managers, and its calls."""

from django.db import models
from django.db.models import Q

from labelapp.models.jobs import ObjectField
from labelapp.models.projects import Project


class Webhook(models.Model):
    """The address of another program, and the secret with which calls to it are signed."""

    project = models.OneToOneField(Project, models.CASCADE, related_name="webhook")
    url = models.CharField(max_length=500)
    secret = models.CharField(max_length=100)  # needed in clear, to sign with
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.CheckConstraint(name="webhook_has_a_url", condition=~Q(url=""))]

    def __str__(self) -> str:
        return self.url


class WebhookCall(models.Model):
    """A call to a webhook with one event, delivered or waiting to be."""

    webhook = models.ForeignKey(Webhook, models.CASCADE, related_name="calls")
    key = models.CharField(max_length=100)  # names the event, so that it is told once
    event = models.CharField(max_length=20)
    body = ObjectField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)
    due_at = models.DateTimeField(null=True, blank=True)  # null: delivered, or given up
    attempts = models.PositiveSmallIntegerField(default=0)
    # Of the last attempt: a sentence in English, and the values in it.
    problem = models.CharField(max_length=300, blank=True)
    problem_values = ObjectField(default=dict, blank=True)
    delivered_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(name="webhookcall_once", fields=["webhook", "key"]),
        ]
        indexes = [
            models.Index(
                name="webhookcall_due", fields=["due_at"], condition=Q(due_at__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.event} {self.key}"
