"""Assignments of prompts to labellers, and the rankings that they make."""

import uuid
from typing import Self

from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from labelapp.models.people import counting
from labelapp.models.projects import MAX_RESPONSES, Member, Project
from labelapp.models.prompts import Prompt, Response
from training.rankings import UNRANKED


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


class Origin(models.TextChoices):
    HERE = "here", _("ranked here")
    IMPORTED = "imported", _("Imported")
    ADJUDICATED = "adjudicated", _("adjudicated")  # by one who saw the labellers' rankings
    REPEATED = "repeated", _("ranked again")  # says how consistent a labeller is; never current


class RankingQuerySet(models.QuerySet["Ranking"]):
    def counting(self) -> Self:
        """Return the current rankings, without those that are left out with their labeller."""
        return self.filter(counting())

    def by_labellers(self) -> Self:
        """Return the current rankings that labellers gave, without adjudicated ones."""
        return self.filter(is_current=True).exclude(origin=Origin.ADJUDICATED)

    def versions(self, *, prompt_id: int, member_id: int, responses_hash: str) -> Self:
        """Return a member's rankings of a set of responses, the newest last."""
        return self.filter(
            prompt=prompt_id, member=member_id, responses_hash=responses_hash
        ).order_by("version")


class Ranking(models.Model):
    """One labeller's ranking of responses. An edit adds a version; nothing is overwritten.

    One member may rank several sets of responses to the same prompt (a prompt with more than
    nine responses, or rankings made elsewhere), so one ranking of each set is current. Beside the
    labellers' own there may be one adjudicated ranking of the set.
    """

    prompt = models.ForeignKey(Prompt, models.CASCADE, related_name="rankings")
    member = models.ForeignKey(Member, models.RESTRICT, related_name="rankings")
    responses_hash = models.CharField(max_length=64)  # of the set of responses, in any order
    version = models.PositiveSmallIntegerField(default=1)
    is_current = models.BooleanField(default=True)
    origin = models.CharField(max_length=11, choices=Origin.choices, default=Origin.HERE)
    # Not one of the rankings that were wanted: it came after its lease had been handed on, or it
    # measured the labeller.
    surplus = models.BooleanField(default=False)
    is_gold = models.BooleanField(default=False, db_default=False)  # others are measured by it
    seconds = models.FloatField(null=True, blank=True)  # at work on it, without idle time
    all_bad = models.BooleanField(default=False)  # even the best response is not acceptable
    note = models.TextField(blank=True)
    # Key of the submit, made from its form and contents: the same submit sent again finds this row.
    key = models.UUIDField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now)

    objects = RankingQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="ranking_one_current",
                fields=["prompt", "member", "responses_hash"],
                condition=Q(is_current=True) & ~Q(origin="adjudicated"),
            ),
            models.UniqueConstraint(
                name="ranking_one_adjudicated",
                fields=["prompt", "responses_hash"],
                condition=Q(is_current=True, origin="adjudicated"),
            ),
            models.UniqueConstraint(
                name="ranking_one_gold", fields=["prompt"], condition=Q(is_gold=True)
            ),
            models.CheckConstraint(
                name="ranking_repeated_never_current",
                condition=Q(is_current=False) | ~Q(origin="repeated"),
            ),
            models.UniqueConstraint(
                name="ranking_version_once",
                fields=["prompt", "member", "responses_hash", "version"],
            ),
            models.UniqueConstraint(
                name="ranking_key_once", fields=["prompt", "member", "responses_hash", "key"]
            ),
            models.CheckConstraint(
                name="ranking_origin_known", condition=Q(origin__in=Origin.values)
            ),
            models.CheckConstraint(
                name="ranking_seconds_not_negative", condition=Q(seconds__gte=0)
            ),
        ]

    def __str__(self) -> str:
        return f"ranking {self.pk} of prompt {self.prompt_id}"

    @property
    def is_left_out(self) -> bool:
        """Return whether this does not count, because its labeller is left out; see Exclusion."""
        since = self.member.excluded_from
        return since is not None and since <= self.created_at

    def ranks(self) -> dict[int, int]:
        """Return the rank of each response, by its id; it may be UNRANKED."""
        return {placement.response_id: placement.rank for placement in self.placements.all()}


class Placement(models.Model):
    """One response's rank in a ranking. 1 is best; ties share a rank; no rank is skipped.

    Responses with the rank UNRANKED come below the others, in no known order.
    """

    ranking = models.ForeignKey(Ranking, models.CASCADE, related_name="placements")
    response = models.ForeignKey(Response, models.RESTRICT, related_name="placements")
    rank = models.PositiveSmallIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(name="placement_once", fields=["ranking", "response"]),
            models.CheckConstraint(
                name="placement_rank_from_1",
                condition=Q(rank__gte=1, rank__lte=MAX_RESPONSES) | Q(rank=UNRANKED),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.response_id} at {self.rank}"


class Rating(models.Model):
    """A labeller's score and flags for one response of a ranking."""

    ranking = models.ForeignKey(Ranking, models.CASCADE, related_name="ratings")
    response = models.ForeignKey(Response, models.RESTRICT, related_name="ratings")
    score = models.PositiveSmallIntegerField(null=True, blank=True)
    flags = models.JSONField(default=list, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="rating_once", fields=["ranking", "response"]),
            models.CheckConstraint(
                name="rating_score_1_to_7", condition=Q(score__gte=1, score__lte=7)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.response_id} rated {self.score}"


class Comment(models.Model):
    """Hold a reviewer's or manager's comment on a prompt. Labellers never see it."""

    prompt = models.ForeignKey(Prompt, models.CASCADE, related_name="comments")
    member = models.ForeignKey(Member, models.RESTRICT, related_name="comments")
    text = models.TextField()
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["created_at", "pk"]
        constraints = [
            models.CheckConstraint(name="comment_says_something", condition=~Q(text="")),
        ]

    def __str__(self) -> str:
        return self.text if len(self.text) <= 80 else f"{self.text[:79]}…"


class DisagreementQuerySet(models.QuerySet["Disagreement"]):
    def worst_first(self, project: Project) -> Self:
        """Return a project's prompts, biggest disagreements between labellers first."""
        return self.filter(project=project).order_by("-share", "-against", "prompt_id")

    def undecided(self) -> Self:
        """Return the disagreements on prompts that nobody has adjudicated."""
        adjudicated = Ranking.objects.counting().filter(
            prompt=OuterRef("prompt"), origin=Origin.ADJUDICATED
        )
        return self.filter(~Exists(adjudicated), share__gt=0)


class Disagreement(models.Model):
    """Count the disagreements of labellers on a prompt, as of the last measurement of agreement.

    Written with the measurement, so that the list of prompts by disagreement is read from an index.
    """

    prompt = models.OneToOneField(Prompt, models.CASCADE, related_name="disagreement")
    project = models.ForeignKey(Project, models.CASCADE, related_name="disagreements")
    labellers = models.PositiveIntegerField()
    comparisons = models.PositiveIntegerField()  # of two labellers who both ranked a pair apart
    against = models.PositiveIntegerField()  # of those, the ones that they order differently
    share = models.FloatField()  # against / comparisons

    objects = DisagreementQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="disagreement_against_some",
                condition=Q(comparisons__gte=1, against__lte=models.F("comparisons")),
            ),
        ]
        indexes = [
            models.Index(
                name="disagreement_worst_first", fields=["project", "-share", "-against", "prompt"]
            ),
        ]

    def __str__(self) -> str:
        return f"{self.against} of {self.comparisons}"


class RankingDisagreement(models.Model):
    """Count the comparisons of a ranking with those of other labellers.

    Written with the measurement of agreement, as Disagreement is. Rankings that are left out are
    compared with those that count, so that a manager sees whether they have become better.
    """

    ranking = models.OneToOneField(Ranking, models.CASCADE, related_name="disagreement")
    member = models.ForeignKey(Member, models.CASCADE, related_name="disagreements")
    comparisons = models.PositiveIntegerField()  # with another labeller who ranked a pair apart
    against = models.PositiveIntegerField()  # of those, the ones that the two order differently
    share = models.FloatField()  # against / comparisons

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="rankingdisagreement_against_some",
                condition=Q(comparisons__gte=1, against__lte=models.F("comparisons")),
            ),
        ]
        indexes = [
            models.Index(
                name="rankingdisagreement_worst", fields=["member", "-share", "-against", "ranking"]
            ),
        ]

    def __str__(self) -> str:
        return f"{self.against} of {self.comparisons}"
