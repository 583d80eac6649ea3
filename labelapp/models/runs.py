"""Training runs, and the scores that their models give to responses."""

from datetime import timedelta
from typing import Any, Self

from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext as _

from labelapp.models.grids import Grid
from labelapp.models.jobs import Job, JobQuerySet, ObjectField, State, as_object
from labelapp.models.projects import Project
from labelapp.models.prompts import Prompt, PromptDeletion, Response


class TrainingRunQuerySet(JobQuerySet["TrainingRun"]):
    def scored(self) -> Self:
        """Return the runs whose scores can be looked at, the newest first."""
        return self.filter(state=State.DONE).order_by("-pk")


class TrainingRun(Job):
    """One training of a reward model on a project's rankings.

    The run itself is a separate process that writes a folder. This row is a copy of its state,
    which the task worker keeps up to date (labelapp.runs.process).
    """

    TASK = "train"
    LOST_AFTER = timedelta(seconds=45)  # the page says so within a minute

    project = models.ForeignKey(Project, models.CASCADE, related_name="runs")
    config = ObjectField(default=dict)
    manifest = ObjectField(default=dict, blank=True)  # which data, by hash
    metrics = ObjectField(default=dict, blank=True)
    stage = models.CharField(max_length=20, blank=True)  # loading, training, evaluating, ...
    loss = models.FloatField(null=True, blank=True)
    # Its age at step `done`, while it trains: of all its processes, without the time between them.
    seconds = models.FloatField(null=True, blank=True)
    folder = models.CharField(max_length=200, blank=True)  # "runs/NAME": NAME in RUNS_DIR
    name = models.CharField(max_length=100, blank=True)  # "" is shown as "Run 7"
    note = models.CharField(max_length=1000, blank=True)
    tags = models.CharField(max_length=200, blank=True)  # separated by single spaces
    is_pinned = models.BooleanField(default=False)  # stands first in the list
    grid = models.ForeignKey(Grid, models.SET_NULL, null=True, blank=True, related_name="runs")
    # Of the form that started it: a double click on Train starts one run.
    form_key = models.UUIDField(null=True, unique=True, editable=False)

    objects = TrainingRunQuerySet.as_manager()

    @property
    def title(self) -> str:
        """Return the name of the run, or its number if nobody has named it."""
        return self.name or _("Run %(number)s") % {"number": self.pk}

    @property
    def tag_list(self) -> list[str]:
        return self.tags.split()

    @property
    def model_name(self) -> str:
        """Return the model that is trained, or its kind if it is trained from scratch."""
        return str(self.config.get("model") or self.config.get("backbone") or "–")

    @property
    def held_out(self) -> dict[str, Any]:
        """Return the figures of the held-out prompts, if there are any."""
        return as_object(self.metrics.get("held_out"))

    def __str__(self) -> str:
        return f"run {self.pk}"


class Score(models.Model):
    """One run's reward for one response."""

    run = models.ForeignKey(TrainingRun, models.CASCADE, related_name="scores")
    response = models.ForeignKey(Response, models.CASCADE, related_name="scores")
    reward = models.FloatField()
    # The first response of the prompt that equals this one after the cut to the token limit.
    same_as = models.BigIntegerField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="score_once", fields=["run", "response"]),
        ]

    def __str__(self) -> str:
        return f"{self.reward:+.2f}"


class PromptAgreementQuerySet(models.QuerySet["PromptAgreement"]):
    def here(self, run: TrainingRun) -> Self:
        """Return a run's prompts without those that were deleted since, and can be restored."""
        kept = PromptDeletion.objects.filter(project=run.project_id, kept_in__isnull=False)
        gone = Prompt.objects.filter(pk=OuterRef("prompt"), project__in=kept.values("kept_in"))
        return self.filter(~Exists(gone), run=run)

    def worst_first(self, run: TrainingRun) -> Self:
        """Return a run's prompts, biggest disagreements between model and people first."""
        return self.filter(run=run).order_by("-disagreement", "-against", "prompt_id")


class PromptAgreement(models.Model):
    """Count the comparisons of a prompt in which a run's scores differ from people.

    Written with the scores, so that the list of prompts by disagreement is read from an index.
    """

    run = models.ForeignKey(TrainingRun, models.CASCADE, related_name="agreements")
    prompt = models.ForeignKey(Prompt, models.CASCADE, related_name="agreements")
    comparisons = models.PositiveIntegerField()
    against = models.PositiveIntegerField()  # comparisons that the model orders the other way
    disagreement = models.FloatField()  # against / comparisons; 0 without comparisons
    held_out = models.BooleanField()  # the model was not trained on this prompt
    # Largest reward difference by which the model contradicts people, times their certainty, as of
    # the last measurement of the run's review; 0 if there is none.
    margin = models.FloatField(default=0, db_default=0)

    objects = PromptAgreementQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(name="agreement_once", fields=["run", "prompt"]),
            models.CheckConstraint(
                name="agreement_against_some", condition=Q(against__lte=models.F("comparisons"))
            ),
        ]
        indexes = [
            models.Index(name="agreement_worst_first", fields=["run", "-disagreement"]),
            # In the whole order of the review, because most margins are 0.
            models.Index(
                name="agreement_widest_margin", fields=["run", "-margin", "-disagreement", "prompt"]
            ),
        ]

    def __str__(self) -> str:
        return f"{self.against} of {self.comparisons}"
