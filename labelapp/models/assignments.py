"""Assignments of prompts to labellers."""

import uuid
from typing import Self

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from labelapp.models.projects import Member
from labelapp.models.prompts import Prompt, Response


class SkipReason(models.TextChoices):
    CANNOT_JUDGE = "cannot judge", _("I cannot judge this")
    BROKEN = "broken", _("The prompt or its responses are broken")
    UNSUITABLE = "unsuitable", _("This should not be shown to people")
    OTHER = "other", _("Something else")


class AssignmentQuerySet(models.QuerySet["Assignment"]):
    def open(self) -> Self:
        """Return assignments that are neither ranked nor skipped."""
        return self.filter(submitted_at=None, skipped_at=None)

    def held(self) -> Self:
        """Return open assignments that are still their labeller's: see Assignment.is_held."""
        control = Q(gold=True) | Q(repeat=True)
        return self.open().filter(Q(slot__isnull=False) | control & Q(taken_back=False))

    def expired(self) -> Self:
        """Return assignments whose lease has run out and whose slot is not free yet."""
        return self.filter(submitted_at=None, slot__isnull=False, expires_at__lt=Now())

    def ranked(self) -> Self:
        """Return assignments whose ranking was submitted and not undone."""
        return self.filter(submitted_at__isnull=False)

    def skipped(self) -> Self:
        """Return skipped assignments."""
        return self.filter(skipped_at__isnull=False)

    def locked(self) -> Self:
        """Lock the assignments of a locked member until the transaction ends."""
        return self.select_for_update(of=("self",), no_key=True)


class Assignment(models.Model):
    """A prompt assigned to a labeller, with a lease that ends at a time.

    It holds one of the prompt's slots, numbered from 1 to rankings_wanted. When its lease has
    run out the slot may be handed on (slot becomes null); the row stays, so that a late
    submission still finds the order it was shown in and is kept.
    """

    prompt = models.ForeignKey(Prompt, models.CASCADE, related_name="assignments")
    # RESTRICT: a member who holds a slot cannot be deleted, except together with the project.
    member = models.ForeignKey(Member, models.RESTRICT, related_name="assignments")
    # The page uses it in place of a database id, and it makes a repeated submit harmless.
    token = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    slot = models.PositiveSmallIntegerField(null=True)
    order = models.JSONField()  # response ids, in the shuffled order that was shown
    # Of the set of these responses; empty in rows of earlier versions.
    responses_hash = models.CharField(max_length=64, blank=True, default="", db_default="")
    draft = models.JSONField(default=dict, blank=True)  # entered so far: a RankingInput as JSON
    seconds = models.FloatField(default=0)  # of work so far, without idle time
    created_at = models.DateTimeField(default=timezone.now)
    # When it was last put in front of the labeller; null while it waits behind another task.
    shown_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField()
    # Quality controls measure the labeller: they hold no slot, and are not handed on.
    gold = models.BooleanField(default=False, db_default=False)  # the prompt has a gold ranking
    repeat = models.BooleanField(default=False, db_default=False)  # they ranked it before
    # A manager ended the lease: its labeller does not get it again.
    taken_back = models.BooleanField(default=False, db_default=False)
    submitted_at = models.DateTimeField(null=True, blank=True)
    skipped_at = models.DateTimeField(null=True, blank=True)
    skip_reason = models.CharField(max_length=12, choices=SkipReason.choices, blank=True)
    skip_note = models.TextField(blank=True)

    ranked_before: bool  # whether the member has ranked the prompt; set when it is locked

    objects = AssignmentQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="assignment_once_per_member", fields=["prompt", "member", "repeat"]
            ),
            models.UniqueConstraint(name="assignment_slot_once", fields=["prompt", "slot"]),
            models.CheckConstraint(name="assignment_slot_from_1", condition=Q(slot__gte=1)),
            models.CheckConstraint(
                name="assignment_control_holds_no_slot",
                condition=Q(gold=False, repeat=False) | Q(slot=None),
            ),
            models.CheckConstraint(
                name="assignment_gold_or_repeat", condition=Q(gold=False) | Q(repeat=False)
            ),
            models.CheckConstraint(
                name="assignment_skipped_or_ranked",
                condition=Q(skipped_at=None) | Q(submitted_at=None, slot=None),
            ),
            models.CheckConstraint(
                name="assignment_skipped_for_a_reason",
                condition=Q(skipped_at=None) | Q(skip_reason__in=SkipReason.values),
            ),
            models.CheckConstraint(
                name="assignment_seconds_not_negative", condition=Q(seconds__gte=0)
            ),
        ]
        indexes = [
            models.Index(
                name="assignment_lent",
                fields=["expires_at"],
                condition=Q(submitted_at=None, slot__isnull=False),
            ),
            models.Index(
                name="assignment_open_of_member",
                fields=["member"],
                condition=Q(submitted_at=None, skipped_at=None),
            ),
            models.Index(
                name="assignment_work_of_member",
                fields=["member", "-submitted_at"],
                condition=Q(submitted_at__isnull=False),
            ),
            models.Index(
                name="assignment_skips_of_member",
                fields=["member", "-skipped_at"],
                condition=Q(skipped_at__isnull=False),
            ),
            models.Index(
                name="assignment_controls_of_member",
                fields=["member", "created_at"],
                condition=Q(gold=True) | Q(repeat=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.prompt_id} assigned to {self.member_id}"

    @property
    def is_control(self) -> bool:
        """Return whether this is a quality control, which its labeller cannot tell."""
        return self.gold or self.repeat

    @property
    def is_open(self) -> bool:
        """Return whether this is neither ranked nor skipped."""
        return self.submitted_at is None and self.skipped_at is None

    @property
    def is_held(self) -> bool:
        """Return whether this, if open, is still its labeller's.

        A control is until it is taken back.
        """
        return self.slot is not None or (self.is_control and not self.taken_back)

    @cached_property
    def shown(self) -> list[Response]:
        """Return the responses in the order shown."""
        by_id = Response.objects.in_bulk(self.order)
        return [by_id[pk] for pk in self.order]
