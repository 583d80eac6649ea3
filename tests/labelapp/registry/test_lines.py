"""The lines to copy on the pages of models are run as they stand, but for names and addresses."""

import html
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from datasets import Dataset
from django.test import Client
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import GRPOConfig

from labelapp.models import Alias, Member, ModelVersion, Project, TrainingRun
from labelapp.registry import tokens, versions
from labelapp.runs.process import run_folder
from tests.conftest import sign_in
from tests.training.tiny import save_pretrained_folder
from tests.waiting import wait_until
from training.data.encoder import prepare_tokenizer
from training.serving.items import Item
from training.serving.model import ServedModel

pytestmark = pytest.mark.django_db(transaction=True)

URL = "/projects/kitchen/models/"
QUESTION = "Why is the sky blue?"
MESSAGES = [{"role": "user", "content": QUESTION}]
TEXTS = ["Air scatters blue light.", "I do not know.", "Air."]


def lines(client: Client, path: str) -> dict[str, list[str]]:
    """Return what there is to copy on a page, by the name of the tool."""
    content = client.get(path).content.decode()
    return {
        name: [
            html.unescape(code)
            for code in re.findall(r"<pre[^>]*><code>(.*?)</code>", body, re.DOTALL)
        ]
        for name, body in re.findall(r"<summary>(.*?)</summary>(.*?)</details>", content, re.DOTALL)
    }


def execute(code: str, names: dict[str, Any]) -> dict[str, Any]:
    exec(code, names)  # noqa: S102 - the code is what is tested
    return names


def save_policy(folder: Path) -> None:
    """Save a tiny policy with a chat template."""
    tokenizer = AutoTokenizer.from_pretrained(save_pretrained_folder(folder, "llama"))
    prepare_tokenizer(tokenizer)
    tokenizer.save_pretrained(folder)
    policy = AutoModelForCausalLM.from_pretrained(folder)
    policy.resize_token_embeddings(len(tokenizer))
    policy.save_pretrained(folder)


def own_rewards(run: TrainingRun, texts: list[str]) -> list[float]:
    """Return the rewards as the service computes them."""
    model = ServedModel.load(run_folder(run).model, "cpu")
    items = [Item(MESSAGES, text) for text in texts]
    found = [one.reward for one in model.rewards(model.encode(items, score_cut=False))]
    return [reward for reward in found if reward is not None]


def test_the_folder_is_used_as_its_page_says(
    runs: list[TrainingRun], manager: Member, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = versions.register(runs[0])
    found = lines(sign_in(manager), f"{URL}{version.number}/")
    monkeypatch.chdir(run_folder(runs[0]).path)  # the archive's folder is called `model`
    loading, pipeline = found["transformers"]
    names = execute(loading, {})
    (expected,) = own_rewards(runs[0], [names["messages"][1]["content"]])
    assert names["reward"] == pytest.approx(expected, abs=1e-4)
    assert execute(pipeline, names)["reward"] == pytest.approx(expected, abs=1e-4)

    save_policy(tmp_path / "policy")
    (code,) = found["TRL"]
    names["dataset"] = Dataset.from_list([{"prompt": MESSAGES}] * 2)
    names["small"] = GRPOConfig(
        output_dir=str(tmp_path / "trained"), per_device_train_batch_size=4, num_generations=4,
        max_completion_length=8, max_steps=1, logging_steps=1, log_completions=True,
        report_to="none", save_strategy="no", use_cpu=True, bf16=False, disable_tqdm=True,
    )  # fmt: skip
    assert "Qwen/Qwen3-0.6B" in code
    code = code.replace("Qwen/Qwen3-0.6B", str(tmp_path / "policy"))
    execute(code.replace("GRPOConfig()", "small"), names)
    (log,) = (tmp_path / "trained").rglob("*.parquet")
    rows = pd.read_parquet(log)
    texts = [row[0]["content"] for row in rows["completion"]]
    assert len(rows) == 4
    assert rows["model"].tolist() == pytest.approx(own_rewards(runs[0], texts), abs=1e-4)

    (upload,) = found["Hugging Face Hub"]
    program, command, *options = shlex.split(upload)
    asked = subprocess.run(
        [Path(sys.executable).with_name(program), command, "--help"],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    assert [option for option in options if option.startswith("--")] == ["--private"]
    assert "--private" in asked.stdout


def test_trainers_ask_the_service_as_its_page_says(
    runs: list[TrainingRun],
    project: Project,
    start: Any,
    manager: Member,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One service for all of them, because it takes long to start."""
    version: ModelVersion = versions.register(runs[0])
    versions.move(Alias.CHAMPION, version, project=project, seen=None, reason="The first.")
    server = start("--all-projects")
    settings.REWARD_SERVER_URL = server.url
    _, token = tokens.create(project, "GRPO")
    monkeypatch.setenv("TOKEN", token)
    body = {"prompt": QUESTION, "responses": TEXTS}
    wait_until(
        lambda: server.post("/projects/kitchen/score", token=token, **body).status_code == 200
    )
    expected = pytest.approx(own_rewards(runs[0], TEXTS), abs=1e-4)
    found = lines(sign_in(manager), URL + "service/")

    (curl,) = found["curl"]
    asked = subprocess.run(
        ["/bin/bash", "-c", curl], capture_output=True, check=True, timeout=120, env=os.environ
    )
    assert json.loads(asked.stdout)["rewards"] == pytest.approx(
        own_rewards(runs[0], TEXTS[:2]), abs=1e-4
    )

    (code,) = found["TRL"]
    reward = execute(code, {})["podium_reward"]
    said = [[{"role": "assistant", "content": text}] for text in TEXTS]
    assert reward([MESSAGES] * 3, said, trainer_state=None) == expected
    assert reward([QUESTION] * 3, TEXTS, trainer_state=None) == expected

    code, _ = found["verl"]
    compute = execute(code, {})["compute_score"]
    extra = {"messages": MESSAGES, "num_turns": 2}
    assert [compute("podium", text, None, extra) for text in TEXTS] == expected
    assert compute("podium", "", None, extra, invalid_reward=-10) == -10

    def path(name: str) -> str:
        """Return the path in the address that a tool is given."""
        address = re.findall(r"http\S+", found[name][0])[0]
        return re.sub(r"\$?TOKEN", token, address).removeprefix(server.url)

    asked_in = f"<|im_start|>user\n{QUESTION}<|im_end|>\n<|im_start|>assistant\n"
    texts = [asked_in + text + "<|im_end|>" for text in TEXTS]
    batch = {"query": texts, "prompts": [asked_in] * 3, "labels": [""] * 3}
    answer = server.post(path("OpenRLHF"), token="", **batch).json()
    assert answer["rewards"] == expected
    answer = server.post(path("LLaMA-Factory"), token="", model="model", messages=texts).json()
    assert answer["scores"] == expected
    bodies = [{"prompt": asked_in, "response": text, "label": None} for text in TEXTS]
    assert [server.post(path("slime"), token="", **one).json() for one in bodies] == expected
