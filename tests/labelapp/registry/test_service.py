"""The reward service beside the pages: it follows promotions, and the playground asks it."""

import re
import signal
from typing import Any

import httpx
import pytest
from django.test import Client

from labelapp.models import Alias, Member, ModelVersion, Project, Prompt, TrainingRun
from labelapp.registry import tokens, versions
from labelapp.runs.process import run_folder
from tests.conftest import sign_in
from tests.labelapp.registry.conftest import MASTER, Server
from tests.waiting import PATIENCE, wait_until

pytestmark = pytest.mark.django_db(transaction=True)

URL = "/projects/kitchen/models/"


def promote(version: ModelVersion, seen: int | None) -> None:
    versions.move(
        Alias.CHAMPION, version, project=version.project, seen=seen, reason="It is better."
    )


def stored(run: TrainingRun, prompt: Prompt) -> list[float]:
    scores = run.scores.filter(response__prompt=prompt).order_by("response")
    return list(scores.values_list("reward", flat=True))


def check_tokens(server: Server, project: Project) -> None:
    """A token of the project opens its models until it is revoked."""
    token, text = tokens.create(project, "GRPO")
    body = {"prompt": "Why?", "responses": ["So."]}
    path = "/projects/kitchen/score"
    wait_until(lambda: server.post(path, token=text, **body).is_success)
    assert server.post(f"/tokens/{text}{path}", token="", **body).status_code == 200
    assert server.post(f"/tokens/x{text}{path}", token="", **body).status_code == 401
    assert server.post(path, token="", **body).status_code == 401
    assert server.post("/projects/other/score", token=text, **body).status_code == 401
    tokens.revoke(token)
    wait_until(lambda: server.post(path, token=text, **body).status_code == 401)


def check_playground(
    server: Server,
    prompt: Prompt,
    runs: list[TrainingRun],
    versions: list[ModelVersion],
    client: Client,
    settings: Any,
) -> None:
    """The playground asks the same service."""
    settings.REWARD_SERVER_URL, settings.REWARD_SERVER_TOKEN = server.url, MASTER
    responses = {
        f"response_{place}": one.text for place, one in enumerate(prompt.responses.order_by("pk"))
    }
    page = client.post(
        f"{URL}playground/?prompt={prompt.pk}",
        responses | {"version": versions[0].pk, "other": versions[1].pk},
    )
    assert page.status_code == 200
    content = page.content.decode()
    for run in runs:
        for reward in stored(run, prompt):
            assert f"{reward:+.2f}".replace("-", "\u2212") in content
    assert len(re.findall("How likely people prefer", content)) == 2
    check_ties(server, prompt, content)


def check_ties(server: Server, prompt: Prompt, page: str) -> None:
    """The version that learned ties has the probability of one beside each pair."""
    answers = [server.score(prompt, f"/projects/kitchen/versions/{number}") for number in (1, 2)]
    assert "ties" not in answers[0]
    ties = [tie for row in answers[1]["ties"] for tie in row if tie is not None]
    shown = re.findall(r"tie ([\d.]+)\u202f%", page)
    assert shown == [f"{100 * tie:.0f}" for tie in ties]
    assert page.count("find both equally good") == 1


def check_a_model_that_cannot_be_loaded(
    server: Server, prompt: Prompt, run: TrainingRun, version: ModelVersion
) -> None:
    """It leaves the one that answers, and the service says so."""
    assert server.said.startswith("the champion, kitchen/v1 (")
    (run_folder(run).model / "model.safetensors").write_bytes(b"broken")
    promote(version, 1)
    assert server.process.stderr is not None
    said = server.process.stderr.readline()
    assert said.startswith("kitchen/v2 cannot be loaded: ")
    assert server.score(prompt, "")["model"] == "kitchen/v1"
    refused = server.post("/projects/kitchen/versions/2/score", prompt="Why?", responses=["So."])
    assert refused.status_code == 503
    assert refused.json()["error"]["message"] == (
        "the model cannot be loaded; the service has printed why"
    )


def test_the_service_follows_the_registry(
    runs: list[TrainingRun], project: Project, start: Any, manager: Member, settings: Any
) -> None:
    """One long story, because two models are trained for it."""
    server = start("--all-projects")
    prompt = project.prompts.order_by("pk")[0]
    assert httpx.get(f"{server.url}/ready", timeout=PATIENCE).json() == {"status": "ready"}
    assert server.post(f"/projects/kitchen/versions/{'9' * 5000}/score").status_code == 404
    refused = server.post("/projects/kitchen/score", prompt="Why?", responses=["So."])
    assert refused.status_code == 404
    assert "project kitchen has no champion yet" in refused.json()["error"]["message"]

    one, two = (versions.register(run) for run in runs)
    promote(one, None)
    wait_until(
        lambda: server.post("/projects/kitchen/score", prompt="Why?", responses=["So."]).is_success,
    )
    answer = server.score(prompt)
    assert answer["rewards"] == pytest.approx(stored(runs[0], prompt), abs=1e-4)
    assert answer["model"] == "kitchen/v1"
    assert answer["digest"] == one.lineage["digest"] != ""

    # Any version, and the dialects of trainers, under the same address.
    assert server.score(prompt, "/projects/kitchen/versions/2")["rewards"] == pytest.approx(
        stored(runs[1], prompt), abs=1e-4
    )
    text = "<|im_start|>user\nWhy?<|im_end|>\n<|im_start|>assistant\nSo.<|im_end|>\n"
    assert server.post("/projects/kitchen/v1/classify", input=text).status_code == 200
    for path in ("/score", "/projects/other/score", "/projects/kitchen/versions/3/score"):
        assert server.post(path, prompt="Why?", responses=["So."]).status_code == 404, path

    # After a promotion, the other model answers, without a restart; and after a roll-back.
    promote(two, 1)
    wait_until(lambda: server.score(prompt)["model"] == "kitchen/v2")
    assert server.score(prompt)["rewards"] == pytest.approx(stored(runs[1], prompt), abs=1e-4)
    sign_in(manager).post(URL + "roll-back/", {"seen": "2"})
    wait_until(lambda: server.score(prompt)["model"] == "kitchen/v1")

    check_tokens(server, project)
    check_playground(server, prompt, runs, [one, two], sign_in(manager), settings)
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait() == 143
    check_a_model_that_cannot_be_loaded(start("--project", "kitchen"), prompt, runs[1], two)
