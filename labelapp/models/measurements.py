"""Measurements of how far a project's labellers agree."""

from datetime import timedelta

from django.db import models
from django.db.models import Q

from labelapp.models.jobs import ACTIVE, Job, JobQuerySet
from labelapp.models.projects import Project


class AgreementMeasurement(Job):
    """A measurement of agreement; labelapp.quality.results reads its result."""

    TASK = "measure_agreement"
    LOST_AFTER = timedelta(minutes=5)

    project = models.ForeignKey(Project, models.CASCADE, related_name="measurements")
    result = models.JSONField(default=dict, blank=True)

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
        figures = {figure["name"]: figure for figure in self.result.get("figures", ())}
        value: float | None = figures.get("agreement", {}).get("value")
        return value

    def __str__(self) -> str:
        return f"measurement {self.pk}"
