"""The rankings that labellers make, and what is said and measured of them."""

from typing import Self

from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from labelapp.models.files import Upload
from labelapp.models.people import counting
from labelapp.models.projects import MAX_RESPONSES, Member, Project
from labelapp.models.prompts import Prompt, Response
from training.rankings import UNRANKED


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
    # The uploaded file that it came in. Null for rankings made here, and for those imported with a
    # command or by a version that did not store it.
    upload = models.ForeignKey(
        Upload, models.SET_NULL, null=True, blank=True, db_index=False, related_name="rankings"
    )
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
        indexes = [
            models.Index(
                name="ranking_upload", fields=["upload"], condition=Q(upload__isnull=False)
            ),
            # Counts the rankings of every prompt where the list of prompts is sorted by them.
            models.Index(name="ranking_of_prompt", fields=["prompt", "is_current", "origin"]),
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
