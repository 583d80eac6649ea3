"""Managers' records about a labeller: exclusions, notes and messages."""

from datetime import UTC, datetime
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from labelapp.models.jobs import ObjectField
from labelapp.models.projects import Member, Project
from labelapp.models.prompts import PromptDeletion

ALTOGETHER = datetime(1900, 1, 1, tzinfo=UTC)
"""Before any ranking: Member.excluded_from of somebody whose rankings are all left out."""


def not_excluded(ranking: str = "") -> Q:
    """Return the condition that a ranking is not left out with its labeller.

    `ranking` is the path to it, as in "ranking__". training/data/database.py has the same condition
    for the engine.
    """
    member = f"{ranking}member__excluded_from"
    return Q(**{member: None}) | Q(**{f"{member}__gt": F(f"{ranking}created_at")})


def counting(ranking: str = "") -> Q:
    """Return the condition that a ranking counts: it is current, and not left out."""
    return Q(**{f"{ranking}is_current": True}) & not_excluded(ranking)


class ExclusionQuerySet(models.QuerySet["Exclusion"]):
    def holding(self, project: Project) -> Self:
        """Return a project's exclusions that have not ended, with their members, by their names."""
        held = self.filter(member__project=project, ended_at=None)
        return held.select_related("member").order_by("member__name")

    def held_at(self, project: int, moment: datetime) -> Self:
        """Return a project's exclusions that held at a moment, with their members."""
        lasting = Q(ended_at=None) | Q(ended_at__gt=moment)
        held = self.filter(lasting, member__project=project, created_at__lte=moment)
        return held.select_related("member").order_by("member__name")

    def changed_since(self, project: int, moment: datetime) -> Self:
        """Return a project's exclusions that began or ended after a moment."""
        changes = Q(created_at__gt=moment) | Q(ended_at__gt=moment)
        return self.filter(changes, member__project=project)


class Exclusion(models.Model):
    """The rankings of a member are left out of training, export and agreement, for a reason.

    Ended exclusions stay as a log. Member.excluded_from is the start of the one that holds.
    """

    member = models.ForeignKey(Member, models.CASCADE, related_name="exclusions")
    since = models.DateTimeField(null=True, blank=True)  # null: all rankings
    reason = models.CharField(max_length=1000)
    # What the last measurement of agreement said of the member (results.LabellerFigures).
    figures = ObjectField(default=dict, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now)
    ended_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    ended_at = models.DateTimeField(null=True, blank=True)

    objects = ExclusionQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                name="exclusion_one_of_member", fields=["member"], condition=Q(ended_at=None)
            ),
            models.CheckConstraint(name="exclusion_has_a_reason", condition=~Q(reason="")),
        ]

    def __str__(self) -> str:
        return f"{self.member} since {self.since or 'ever'}"


class RankingReturnQuerySet(models.QuerySet["RankingReturn"]):
    def changed_since(self, project: int, moment: datetime) -> Self:
        """Return the returns in a project that were made or undone after a moment."""
        changes = Q(created_at__gt=moment) | Q(undone_at__gt=moment)
        return self.filter(changes, member__project=project)


class RankingReturn(models.Model):
    """Rankings of a member that a manager returned to them, to be ranked again."""

    member = models.ForeignKey(Member, models.CASCADE, related_name="returns")
    # [primary key of the ranking, time at which it was submitted]
    rows = models.JSONField()
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now)
    undone_at = models.DateTimeField(null=True, blank=True)

    objects = RankingReturnQuerySet.as_manager()

    def __str__(self) -> str:
        return f"return {self.pk} to {self.member}"


def counting_changed_since(project: int, moment: datetime) -> bool:
    """Return whether rankings were left out, returned or deleted after a moment, or one undone."""
    left_out = Exclusion.objects.changed_since(project, moment).order_by().values("pk")
    returned = RankingReturn.objects.changed_since(project, moment).values("pk")
    deleted = PromptDeletion.objects.changed_since(project, moment)
    return left_out.union(returned, deleted.order_by().values("pk")).exists()


class MemberNote(models.Model):
    """A manager's note on a member, for managers."""

    member = models.ForeignKey(Member, models.CASCADE, related_name="notes")
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    text = models.TextField()
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-pk"]
        constraints = [models.CheckConstraint(name="note_says_something", condition=~Q(text=""))]

    def __str__(self) -> str:
        return self.text if len(self.text) <= 80 else f"{self.text[:79]}…"


class MemberMessageQuerySet(models.QuerySet["MemberMessage"]):
    def unread(self, member: Member) -> Self:
        """Return the messages to a member that they have not dismissed."""
        return self.filter(member=member.pk, dismissed_at=None)

    def count_unread(self, member: Member) -> None:
        """Bring Member.has_messages up to date after a message was sent, read or withdrawn."""
        member.has_messages = self.unread(member).exists()
        Member.objects.filter(pk=member.pk).update(has_messages=member.has_messages)


class MemberMessage(models.Model):
    """A manager's message to a member, shown with their tasks until they dismiss it."""

    member = models.ForeignKey(Member, models.CASCADE, related_name="messages")
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    text = models.TextField()
    created_at = models.DateTimeField(default=timezone.now)
    dismissed_at = models.DateTimeField(null=True, blank=True)

    objects = MemberMessageQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        constraints = [models.CheckConstraint(name="message_says_something", condition=~Q(text=""))]
        indexes = [
            models.Index(name="message_to_read", fields=["member"], condition=Q(dismissed_at=None))
        ]

    def __str__(self) -> str:
        return self.text if len(self.text) <= 80 else f"{self.text[:79]}…"
