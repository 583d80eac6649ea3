"""Prompts, and the responses to them."""

import hashlib
from collections.abc import Iterable
from datetime import datetime
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from labelapp.models.projects import Member, Project

MAX_TAG = 100  # characters


def hash_text(text: str) -> str:
    """Return the SHA-256 of a text in hexadecimal; equal hashes mean the same response."""
    return hashlib.sha256(text.encode()).hexdigest()


def hash_responses(content_hashes: Iterable[str]) -> str:
    """Return the SHA-256 of a set of responses, given their hashes in any order."""
    return hash_text("\n".join(sorted(content_hashes)))


class PromptQuerySet(models.QuerySet["Prompt"]):
    def waiting(self) -> Self:
        """Return prompts that still need a labeller."""
        return self.filter(rankings_needed__gt=0)

    def take_slots(self) -> int:
        """Lower what each waiting prompt needs by one ranking; return the number of prompts."""
        return self.waiting().update(rankings_needed=F("rankings_needed") - 1)

    def want_one_more(self) -> int:
        """Ask for one more ranking of removed prompts, by a labeller who had already begun."""
        return self.filter(taken_out=True).update(rankings_wanted=F("rankings_wanted") + 1)


class Prompt(models.Model):
    """One or several chat messages to respond to."""

    project = models.ForeignKey(Project, models.CASCADE, related_name="prompts")
    messages = models.JSONField()
    content_hash = models.CharField(max_length=64)
    external_id = models.CharField(max_length=500, null=True, blank=True)
    priority = models.IntegerField(default=0)
    rankings_wanted = models.PositiveSmallIntegerField(default=0)
    # rankings_wanted less the slots that are taken; kept as a column so that the queue is an
    # index and never a scan over finished work.
    rankings_needed = models.PositiveSmallIntegerField(default=0)
    # The prompt needed nobody, or was further down, and was put back into the queue: labellers look
    # at these prompts too, wherever they are in the queue.
    came_back = models.BooleanField(default=False, db_default=False)
    # A manager removed the prompt from the queue: a slot that becomes free is not assigned again.
    taken_out = models.BooleanField(default=False, db_default=False)
    # Only its assignees may rank it.
    reserved = models.BooleanField(default=False, db_default=False)
    # Other fields of the prompt in its file; null if there are none.
    metadata = models.JSONField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    assignee: int | None  # of labelling.queue.take_prompt

    objects = PromptQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(name="prompt_external_id", fields=["project", "external_id"]),
            models.UniqueConstraint(name="prompt_content", fields=["project", "content_hash"]),
            models.CheckConstraint(
                name="prompt_needs_at_most_wanted",
                condition=Q(rankings_needed__gte=0, rankings_needed__lte=F("rankings_wanted")),
            ),
        ]
        indexes = [
            models.Index(
                name="prompt_queue",
                fields=["project", "-priority", "id"],
                condition=Q(rankings_needed__gt=0, reserved=False),
            ),
            models.Index(
                name="prompt_queue_came_back",
                fields=["project", "-priority", "id"],
                condition=Q(rankings_needed__gt=0, came_back=True, reserved=False),
            ),
            models.Index(
                name="prompt_reserved", fields=["project", "id"], condition=Q(reserved=True)
            ),
            # Read in the order of import, and without the texts where the list is sorted.
            models.Index(
                name="prompt_list", fields=["project", "id", "priority", "rankings_wanted"]
            ),
            models.Index(
                name="prompt_metadata",
                fields=["project", "id"],
                condition=Q(metadata__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        text = str(self.messages[-1]["content"])
        return text if len(text) <= 200 else f"{text[:199]}…"


class Response(models.Model):
    """One response to a prompt. Its source is never shown to a labeller."""

    prompt = models.ForeignKey(Prompt, models.CASCADE, related_name="responses")
    text = models.TextField()
    source = models.TextField(blank=True)
    external_id = models.CharField(max_length=500, blank=True)
    content_hash = models.CharField(max_length=64)
    # The text reveals which model wrote it, which shuffling cannot hide. Found at import.
    names_itself = models.BooleanField(default=False, db_default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="response_content", fields=["prompt", "content_hash"]),
        ]
        indexes = [
            models.Index(
                name="response_names_itself",
                fields=["prompt"],
                condition=Q(names_itself=True),
            ),
        ]

    def __str__(self) -> str:
        return self.text if len(self.text) <= 80 else f"{self.text[:79]}…"


class Assignee(models.Model):
    """A member to whom a manager has assigned a prompt, and who gets it before all others.

    An Assignment is created once they are given the prompt.
    """

    prompt = models.ForeignKey(Prompt, models.CASCADE, related_name="assignees")
    member = models.ForeignKey(Member, models.CASCADE, related_name="assigned")
    waits = models.BooleanField(default=True)  # they have not been given it yet

    class Meta:
        constraints = [
            models.UniqueConstraint(name="assignee_once", fields=["prompt", "member"]),
        ]
        indexes = [
            models.Index(
                name="assignee_waits", fields=["member", "prompt"], condition=Q(waits=True)
            ),
        ]

    def __str__(self) -> str:
        return f"prompt {self.prompt_id} for member {self.member_id}"


class Tag(models.Model):
    """A name by which managers group prompts."""

    project = models.ForeignKey(Project, models.CASCADE, related_name="tags")
    name = models.CharField(max_length=MAX_TAG)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(name="tag_once_per_name", fields=["project", "name"]),
            models.CheckConstraint(name="tag_has_a_name", condition=~Q(name="")),
        ]

    def __str__(self) -> str:
        return self.name


class PromptTag(models.Model):
    """A tag of a prompt."""

    prompt = models.ForeignKey(Prompt, models.CASCADE, related_name="prompt_tags")
    tag = models.ForeignKey(Tag, models.CASCADE, related_name="prompt_tags")

    class Meta:
        constraints = [
            models.UniqueConstraint(name="prompttag_once", fields=["prompt", "tag"]),
        ]

    def __str__(self) -> str:
        return f"tag {self.tag_id} of prompt {self.prompt_id}"


class PromptChange(models.Model):
    """A manager's last change of many prompts, to be undone."""

    project = models.ForeignKey(Project, models.CASCADE, related_name="prompt_changes")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    # Groups of prompts that stood and stand alike: [before, after, [primary keys]], where before
    # and after are [priority, rankings wanted, taken out, reserved, [assignees], [tags]].
    rows = models.JSONField()
    # Rankings that were made gold, each with the one that was it before, or null.
    gold = models.JSONField(default=list, blank=True)
    # The tag that did not exist before the change.
    made_tag = models.ForeignKey(Tag, models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="promptchange_last_one", fields=["project", "user"])
        ]

    def __str__(self) -> str:
        return f"change {self.pk}"


class PromptDeletionQuerySet(models.QuerySet["PromptDeletion"]):
    def changed_since(self, project: int, moment: datetime) -> Self:
        """Return the deletions in a project that were made or undone after a moment.

        One that was both made and undone has changed nothing.
        """
        made = Q(created_at__gt=moment, prompts__gt=0)
        undone = Q(created_at__lte=moment, restored_at__gt=moment)
        return self.filter(made | undone, project=project)


class PromptDeletion(models.Model):
    """A manager's deletion of prompts, which can be undone until they are deleted for good.

    Until then the prompts are in a hidden project, with all that belongs to them. The row stays
    afterwards: it explains why there are fewer rankings than earlier runs learned from. So does
    that of prompts that were all restored, with zero prompts: figures from before lack them.
    """

    project = models.ForeignKey(Project, models.CASCADE, related_name="prompt_deletions")
    # The hidden project; null once they are deleted for good.
    kept_in = models.OneToOneField(Project, models.SET_NULL, null=True, related_name="+")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    prompts = models.PositiveIntegerField()
    rankings = models.PositiveIntegerField()  # of labellers, the current ones
    # Keys of prompts that are being moved, in the background if they are many; null once all are.
    moving = models.JSONField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    restored_at = models.DateTimeField(null=True, blank=True)  # the last time, some of them or all

    objects = PromptDeletionQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-pk"]

    def __str__(self) -> str:
        return f"deletion {self.pk}"
