"""The registry of a project: numbered models, the aliases that point to them, and their service."""

from typing import Self

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import OuterRef, Q, Subquery

from labelapp.models.jobs import ObjectField
from labelapp.models.projects import Project
from labelapp.models.runs import TrainingRun


class Alias(models.TextChoices):
    CHAMPION = "champion"  # the model that trainers get
    CHALLENGER = "challenger"  # the one that may replace it


class ModelVersionQuerySet(models.QuerySet["ModelVersion"]):
    def registered(self) -> Self:
        return self.filter(withdrawn_at=None)


class ModelVersion(models.Model):
    """The model of a run, registered under a version number that is never used again."""

    project = models.ForeignKey(Project, models.CASCADE, related_name="model_versions")
    number = models.PositiveIntegerField()  # 1, 2, 3, ... in the project
    # Null once the version is withdrawn, so that its run can be deleted.
    run = models.OneToOneField(
        TrainingRun, models.CASCADE, null=True, blank=True, related_name="version"
    )
    # What the model was made from, as of its registration: labelapp.registry.lineage.
    lineage = ObjectField(default=dict, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    objects = ModelVersionQuerySet.as_manager()

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(name="version_once", fields=["project", "number"]),
            models.CheckConstraint(
                name="version_has_a_run_until_withdrawn",
                condition=Q(run__isnull=False, withdrawn_at=None)
                | Q(run=None, withdrawn_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"version {self.number}"

    @property
    def name(self) -> str:
        return f"v{self.number}"

    @property
    def run_title(self) -> str:
        """Return the title of the run, as it was then if the version is withdrawn."""
        return self.run.title if self.run else str(self.lineage.get("title", ""))


class AliasMoveQuerySet(models.QuerySet["AliasMove"]):
    def latest_moves(self) -> Self:
        """Return the last move of each alias of each project, which says where it points."""
        same = AliasMove.objects.filter(project=OuterRef("project"), alias=OuterRef("alias"))
        return self.filter(pk=Subquery(same.order_by("-pk").values("pk")[:1]))


class AliasMove(models.Model):
    """One move of an alias. The last one says where the alias points; none is ever deleted."""

    project = models.ForeignKey(Project, models.CASCADE, related_name="alias_moves")
    alias = models.CharField(max_length=10, choices=Alias.choices)
    # Null: the alias points to nothing from then on, or did so before.
    version = models.ForeignKey(ModelVersion, models.CASCADE, null=True, related_name="moves")
    previous = models.ForeignKey(ModelVersion, models.CASCADE, null=True, related_name="+")
    reason = models.CharField(max_length=1000)
    is_roll_back = models.BooleanField(default=False)  # to the champion before
    # What the page of the promotion said then: the headline, and each gate with its result.
    evidence = ObjectField(default=dict, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )

    objects = AliasMoveQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        indexes = [models.Index(name="alias_last_move", fields=["project", "alias", "-id"])]
        constraints = [
            models.CheckConstraint(name="alias_known", condition=Q(alias__in=Alias.values)),
            models.CheckConstraint(name="alias_moved_for_a_reason", condition=~Q(reason="")),
        ]

    def __str__(self) -> str:
        return f"{self.alias} to {self.version or 'nothing'}"


class PromotionGates(models.Model):
    """The conditions that a project sets for a model to become its champion."""

    project = models.OneToOneField(Project, models.CASCADE, related_name="gates")
    # Percentage points by which no slice of the held-out comparisons may be worse.
    most_points_lost = models.FloatField(
        null=True, blank=True, validators=[MinValueValidator(0), MaxValueValidator(100)]
    )
    beats_champion = models.BooleanField(default=False)  # by an interval above zero
    beats_baselines = models.BooleanField(default=False)  # likewise

    def __str__(self) -> str:
        return f"gates of {self.project}"


class ServiceTokenQuerySet(models.QuerySet["ServiceToken"]):
    def working(self) -> Self:
        return self.filter(revoked_at=None)


class ServiceToken(models.Model):
    """A token for the reward service. Only its hash is stored."""

    project = models.ForeignKey(Project, models.CASCADE, related_name="service_tokens")
    name = models.CharField(max_length=100)
    sha256 = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = ServiceTokenQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(name="token_has_a_name", condition=~Q(name="")),
        ]

    def __str__(self) -> str:
        return self.name
