"""Fixtures that several tests of runs share."""

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from labelapp.models import Member, Project, Prompt, PromptAgreement, Score, State, TrainingRun
from labelapp.runs import process
from tests.conftest import AddPrompt, AddRanking
from tests.labelapp.runs.pages import STEPS, figures
from tests.labelapp.runs.tiny import start
from training.config import TrainConfig

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


@pytest.fixture
def ranked(add_prompt: AddPrompt, add_ranking: AddRanking, labeller: Member) -> list[Prompt]:
    """Four prompts that the labeller has ranked."""
    prompts = [add_prompt(f"Question {i}?") for i in range(4)]
    for prompt in prompts:
        add_ranking(prompt, labeller, [1, 2, 2, 3])
    return prompts


@pytest.fixture
def running(project: Project, ranked: list[Prompt]) -> TrainingRun:
    """A run that a worker has begun."""
    run = start(project)
    TrainingRun.objects.filter(pk=run.pk).update(state=State.RUNNING, heartbeat_at=timezone.now())
    run.refresh_from_db()
    return run


@pytest.fixture
def run(project: Project) -> TrainingRun:
    """A finished run with a folder."""
    config = TrainConfig(backbone="rnn", epochs=7, seed=3)
    people = {"agreement": 0.81, "agreement_low": 0.78, "agreement_high": 0.83, "pairs": 900}
    run = TrainingRun.objects.create(
        project=project,
        state=State.DONE,
        finished_at=timezone.now(),
        config=config.to_json(),
        folder="runs/7-abc",
        metrics={"held_out": figures(), "labellers_agree": {"held_out": people}, "seconds": 95.0},
    )
    folder = process.run_folder(run)
    folder.path.mkdir(parents=True)
    folder.write_config(config)
    for step in range(1, STEPS + 1):
        folder.append_metric_line(
            {
                "step": step, "loss": 1 / step, "accuracy": 0.6, "learning_rate": 1e-3,
                "gradient_norm": 2.5, "tokens_per_second": 1234.5, "seconds": 0.5 * step,
            }
        )  # fmt: skip
    for step in (0, STEPS):
        folder.append_evaluation({"step": step, "loss": 0.69, "accuracy": 0.55})
    return run
