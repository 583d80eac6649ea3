"""Fixtures that several tests of runs share."""

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from labelapp.models import (
    Grid,
    Member,
    Project,
    Prompt,
    PromptAgreement,
    Score,
    State,
    TrainingRun,
)
from labelapp.runs import process
from tests.conftest import AddPrompt, AddRanking
from tests.labelapp.runs.gridded import AddGrid
from tests.labelapp.runs.pages import STEPS, AddRun, figures
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
                run=run, prompt=prompt, comparisons=6, against=0, disagreement=0,
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
def ranked_by_two(
    add_prompt: AddPrompt, add_ranking: AddRanking, labeller: Member, manager: Member
) -> list[Prompt]:
    """Three prompts that two people rank, one of which has an adjudicated ranking as well."""
    prompts = [add_prompt(f"{number}?") for number in range(3)]
    for prompt in prompts:
        add_ranking(prompt, labeller, (1, 2, 3, 4))
        add_ranking(prompt, manager, (2, 1, 3, 4))
    add_ranking(prompts[0], manager, (1, 2, 3, 4), origin="adjudicated", version=2)
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


@pytest.fixture
def add_run(project: Project) -> AddRun:
    """Stores a finished run with its folder, given what it agreed on of ten on each prompt."""

    def add(
        agreed: list[float],
        *,
        digest: str = "same",
        steps: int = 0,
        state: State = State.DONE,
        of: Project | None = None,
        **config: Any,
    ) -> TrainingRun:
        number = TrainingRun.objects.count() + 1
        comparisons = 10 * len(agreed)
        accuracy = sum(agreed) / comparisons
        beside = {"accuracy": 0.5, "gain": accuracy - 0.5, "gain_low": 0.011, "gain_high": 0.222}
        held_out = {
            "prompts": len(agreed), "rankings": 3 * len(agreed), "comparisons": comparisons,
            "accuracy": accuracy, "accuracy_low": accuracy - 0.051,
            "accuracy_high": accuracy + 0.052, "log_loss": 0.6234, "loss": 0.61,
            "near_equal": {
                "comparisons": 9, "accuracy": 0.543, "accuracy_low": 0.5, "accuracy_high": 0.6,
            },
            "baselines": {"longer_wins": beside, "word_counts": beside | {"accuracy": 0.4}},
            "comparisons_sha256": digest, "reward_mean": 0.0, "reward_std": 1.0,
        }  # fmt: skip
        people = {"agreement": 0.813, "agreement_low": 0.8, "agreement_high": 0.825}
        run = TrainingRun.objects.create(
            project=of or project,
            state=state,
            finished_at=timezone.now() if state == State.DONE else None,
            config=TrainConfig().to_json() | config,
            manifest={"train_rankings": 345, "train_prompts": 112, "rankings_sha256": "r"},
            metrics={
                "held_out": held_out, "labellers_agree": {"held_out": people}, "steps": steps,
                "seconds": 95.2, "tokens": 1234567, "parameters": 131117, "peak_rss": 640_000_000,
            },
            folder=f"runs/{number}",
        )  # fmt: skip
        folder = process.run_folder(run)
        folder.path.mkdir(parents=True)
        folder.write_judgements(
            {"prompt": f"{place:03d}", "agreed": hits, "comparisons": 10}
            for place, hits in enumerate(agreed)
        )
        for step in range(1, steps + 1):
            folder.append_metric_line({"step": step, "loss": 0.7 / step, "accuracy": 0.5})
        for step in {0, steps}:
            folder.append_evaluation({"step": step, "log_loss": 0.6789, "accuracy": 0.5555})
        return run

    return add


@pytest.fixture
def add_grid(project: Project, add_run: AddRun) -> AddGrid:
    """Store a grid with a finished run for each of the (settings, comparisons agreed on)."""

    def add(varied: dict[str, list[Any]], *runs: tuple[dict[str, Any], list[float]]) -> Grid:
        grid = Grid.objects.create(project=project, varied=varied)
        for config, agreed in runs:
            run = add_run(agreed, **config)
            TrainingRun.objects.filter(pk=run.pk).update(grid=grid)
        return grid

    return add
