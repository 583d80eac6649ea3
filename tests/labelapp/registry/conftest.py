"""Finished runs whose models can be registered, and the reward service."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import httpx
import pytest
from django.conf import settings as django_settings
from django.db import connection

from labelapp.jobs.environment import database_url
from labelapp.models import Member, Project, Prompt, PromptAgreement, TrainingRun
from labelapp.runs import lifecycle
from labelapp.runs.process import run_folder
from tests.conftest import AddPrompt, AddRanking
from tests.labelapp.runs.conftest import AddScored, scored
from training.child_process import for_child
from training.config import TrainConfig
from training.rankings import Ties

__all__ = ["scored"]

MASTER = "a token of the pages"

AddRun = Callable[..., TrainingRun]

HELD_OUT = {
    "prompts": 13,
    "accuracy": 0.7,
    "baselines": {
        "longer_wins": {"accuracy": 0.6, "gain": 0.1, "gain_low": 0.02, "gain_high": 0.18},
        "word_counts": {"accuracy": 0.62, "gain": 0.08, "gain_low": 0.01, "gain_high": 0.15},
    },
}


@pytest.fixture
def add_run(scored: AddScored) -> AddRun:
    """Adds a finished run with a model folder, and the rewards of prompts if there are any."""

    def add(
        rewards: Mapping[Prompt, list[float]] | None = None,
        trained_on: set[Prompt] = frozenset(),  # type: ignore[assignment]
        held_out: Mapping[str, Any] = HELD_OUT,
        **config: Any,
    ) -> TrainingRun:
        run = scored(dict(rewards or {}), trained_on, **config)
        PromptAgreement.objects.filter(run=run).update(comparisons=6)
        run.folder = f"runs/{run.pk}"
        run.metrics = {"held_out": dict(held_out), "model_digest": "0123456789abcdef"}
        run.manifest = {"rankings": 219, "prompts": 73, "rankings_sha256": "a" * 64}
        run.save()
        folder = run_folder(run)
        folder.model.mkdir(parents=True)
        (folder.model / "model.safetensors").write_bytes(b"weights")
        return run

    return add


@pytest.fixture
def runs(
    project: Project,
    add_prompt: AddPrompt,
    add_ranking: AddRanking,
    labeller: Member,
    forked: None,
) -> list[TrainingRun]:
    """Two runs with models that differ; the second one learns ties."""
    for number in range(6):
        prompt = add_prompt(f"Question {number}?", ["Yes, it is so.", "No.", "Perhaps.", "Ask."])
        add_ranking(prompt, labeller, [1, 2, 3, 4] if number % 2 else [2, 1, 4, 3])
    found = []
    ties: tuple[Ties, Ties] = ("drop", "davidson")
    for seed, its_ties in enumerate(ties, 1):
        config = TrainConfig(
            backbone="transformer", layers=1, width=16, heads=2, vocabulary=300, epochs=1,
            device="cpu", seed=seed, ties=its_ties,
        )  # fmt: skip
        run = lifecycle.start(project=project, config=config)
        lifecycle.execute(run)
        run.refresh_from_db()
        assert run.state == "done", run.reason
        found.append(run)
    return found


class Server:
    """The reward service of all projects, as `serve` starts it."""

    def __init__(self, *options: str, token: str = MASTER) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "training.serve", *options, "--bind", "127.0.0.1:0"],
            env=for_child(os.environ)
            | {
                "DATABASE_URL": database_url(connection.settings_dict),
                "DATA_DIR": str(django_settings.DATA_DIR),
                "REWARD_SERVER_TOKEN": token,
                "OMP_NUM_THREADS": "1",
            },
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stderr is not None
        self.said = self.process.stderr.readline()
        self.url = self.said.split()[-1]

    def post(self, path: str, token: str = MASTER, **body: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx.post(self.url + path, json=body, headers=headers, timeout=300)

    def score(self, prompt: Prompt, path: str = "/projects/kitchen") -> dict[str, Any]:
        texts = list(prompt.responses.order_by("pk").values_list("text", flat=True))
        answer = self.post(f"{path}/score", messages=prompt.messages, responses=texts)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found


@pytest.fixture
def start() -> Iterator[Any]:
    started = []

    def start(*options: str, **more: str) -> Server:
        started.append(Server(*options, **more))
        return started[-1]

    yield start
    for server in started:
        server.process.kill()
        server.process.communicate()
