"""Measurements of agreement that are finished."""

from typing import Any

from django.utils import timezone

from labelapp.models import (
    AgreementMeasurement,
    Project,
    State,
)


def add_measured(project: Project, found: dict[str, Any]) -> None:
    """Add a finished measurement with this result."""
    AgreementMeasurement.objects.create(
        project=project, state=State.DONE, result=found, finished_at=timezone.now()
    )
