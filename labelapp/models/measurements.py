"""Measurements: how far a project's labellers agree, and how a run's model compares with them."""

from datetime import timedelta

from django.db import models
from django.db.models import Q

from labelapp.models.jobs import ACTIVE, Job, JobQuerySet, ObjectField, as_object
from labelapp.models.projects import Project
from labelapp.models.runs import TrainingRun


class AgreementMeasurement(Job):
    """A measurement of agreement; labelapp.quality.results reads its result."""

    TASK = "measure_agreement"
    LOST_AFTER = timedelta(minutes=5)

    project = models.ForeignKey(Project, models.CASCADE, related_name="measurements")
    result = ObjectField(default=dict, blank=True)

    objects = JobQuerySet["AgreementMeasurement"].as_manager()

    class Meta(Job.Meta):
        constraints = [
            *Job.Meta.constraints,
            # A double click on Measure starts one measurement.
            models.UniqueConstraint(
                name="agreementmeasurement_one_active",
                fields=["project"],
                condition=Q(state__in=ACTIVE),
            ),
        ]

    @property
    def agreement(self) -> float | None:
        """Return the share of comparisons on which two labellers agree, if it could be measured."""
        figures = self.result.get("figures")
        for figure in map(as_object, figures if isinstance(figures, list) else []):
            value = figure.get("value")
            if figure.get("name") == "agreement" and isinstance(value, int | float):
                return value
        return None

    def __str__(self) -> str:
        return f"measurement {self.pk}"


class ReviewMeasurement(Job):
    """A measurement of a run's review; labelapp.reviewing.results reads its result."""

    TASK = "measure_review"
    LOST_AFTER = timedelta(minutes=5)

    project = models.ForeignKey(Project, models.CASCADE, related_name="review_measurements")
    run = models.ForeignKey(TrainingRun, models.CASCADE, related_name="review_measurements")
    result = ObjectField(default=dict, blank=True)

    objects = JobQuerySet["ReviewMeasurement"].as_manager()

    class Meta(Job.Meta):
        constraints = [
            *Job.Meta.constraints,
            # Two reviewers who open the page of a run start one measurement.
            models.UniqueConstraint(
                name="reviewmeasurement_one_active",
                fields=["run"],
                condition=Q(state__in=ACTIVE),
            ),
        ]

    def __str__(self) -> str:
        return f"measurement {self.pk} of run {self.run_id}"
