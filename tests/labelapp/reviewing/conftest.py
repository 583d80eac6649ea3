"""A run whose scores are reviewed."""

import pytest
from django.utils import timezone

from labelapp.models import Project, TrainingRun


@pytest.fixture
def run(project: Project) -> TrainingRun:
    return TrainingRun.objects.create(
        project=project,
        state="done",
        finished_at=timezone.now(),
        metrics={
            "held_out": {
                "accuracy": 0.625,
                "accuracy_low": 0.5,
                "accuracy_high": 0.75,
                "longer_wins": 0.55,
                "reward_mean": 0.5,
                "comparisons": 8,
                "prompts": 2,
            }
        },
    )
