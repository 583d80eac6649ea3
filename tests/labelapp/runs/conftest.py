"""Fixtures that several tests of runs share."""

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from labelapp.models import Project, Prompt, PromptAgreement, Score, State, TrainingRun

AddScored = Callable[..., TrainingRun]


@pytest.fixture
def scored(project: Project) -> AddScored:
    """Stores a finished run with its rewards: by prompt, in the order of the responses."""

    def scored(
        rewards: dict[Prompt, list[float]], trained_on: set[Prompt] = frozenset(), **config: Any
    ) -> TrainingRun:
        run = TrainingRun.objects.create(
            project=project, state=State.DONE, finished_at=timezone.now(), config=config
        )
        for prompt, values in rewards.items():
            for response, value in zip(prompt.responses.order_by("pk"), values, strict=True):
                Score.objects.create(run=run, response=response, reward=value)
            PromptAgreement.objects.create(
                run=run, prompt=prompt, comparisons=0, against=0, disagreement=0,
                held_out=prompt not in trained_on,
            )  # fmt: skip
        return run

    return scored
