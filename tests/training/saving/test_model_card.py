"""The README of a model folder: what it says, what it keeps to itself, and that its code runs."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import GRPOConfig

from tests.training.tiny import ranking_lines, save_pretrained_folder, write_rankings
from training.backbones.choose import load_backbone
from training.config import TrainConfig
from training.data.encoder import TextEncoder, prepare_tokenizer
from training.data.examples import Example
from training.runs.folder import RunFolder
from training.saving.model_card import figures, licence, plain
from training.train import main

LICENCE = 'MIT "as is"'
OURS = ("transformer", "rnn")


@pytest.fixture(scope="module", params=[*OURS, "gpt2", "llama"])
def run(request, tmp_path_factory):
    """A finished run, and the kind of its backbone."""
    place = tmp_path_factory.mktemp(request.param)
    lines = ranking_lines(labellers=("Ann Other", "Bob Else"))
    lines[0]["labeller"] = None
    arguments = ["--rankings", str(write_rankings(place / "of <b>us.jsonl", lines))]
    if request.param in OURS:
        arguments += ["--backbone", request.param]
    else:
        base = save_pretrained_folder(place / "secret" / "base", request.param)
        arguments += ["--backbone", "pretrained", "--model", str(base), "--epochs", "2"]
        arguments += ["--max-prompt-tokens", "64", "--max-response-tokens", "64"]
        arguments += ["--backbone-license", LICENCE, "--learning-rate", "0.001"]
    folder = RunFolder(place / "run")
    assert main([*arguments, "--run-folder", str(folder.path)]) == 0
    return request.param, folder


@pytest.fixture
def card(run):
    return (run[1].model / "README.md").read_text()


def test_it_begins_with_what_the_hub_reads(run, card):
    found = yaml.safe_load(card.split("---")[1])
    assert found["library_name"] == "transformers"
    assert found["pipeline_tag"] == "text-classification"
    assert "reward-model" in found["tags"]
    assert found.get("license") == (None if run[0] in OURS else LICENCE)


def test_it_states_data_and_figures(run, card):
    _, folder = run
    manifest, held_out = folder.read_manifest(), folder.read_metrics()["held_out"]
    assert f"| rankings | {manifest['rankings']} |" in card
    assert f"| rankings learned from | {manifest['train_rankings']} |" in card
    assert f"| SHA-256 of the rankings | {manifest['rankings_sha256']} |" in card
    assert f"| accuracy | {held_out['accuracy']:.3f}" in card
    assert f"gets {held_out['longer_wins']:.3f} of the held-out comparisons right" in card
    each = manifest["rankings_by_labeller"]
    assert sum(each) + 1 == manifest["train_rankings"] + manifest["held_out_rankings"]
    assert f"2 labellers, with {each[0]}, {each[1]} rankings each" in card
    assert "1 ranking that names no labeller" in card


def test_it_names_no_people_and_no_paths(run, card):
    manifest = json.dumps(run[1].read_manifest())
    for secret in ("Ann", "Bob", "secret", str(run[1].path)):
        assert secret not in card
    assert "Ann" not in manifest


def test_names_of_files_are_only_text(card):
    assert r"# Reward model of of \<b\>us.jsonl" in card


def test_it_states_limits_that_this_model_has(run, card):
    assert ("Pad on the right" in card) == (run[0] == "gpt2")
    lengths = 512 if run[0] in OURS else 64
    assert f"Longer prompts than {lengths} tokens lost their beginning" in card


def test_it_says_what_it_was_made_of(run, card):
    if run[0] in OURS:
        assert f"from scratch, as a small {run[0]}" in card
        # Without it, transformers asks at the terminal whether to run the model's code.
        loads = re.findall(r".* = (?:.*from_pretrained|pipeline)\(.*", card)
        assert len(loads) == 3
        assert all("trust_remote_code=True" in line for line in loads)
    else:
        assert "rankings, from base." in card
        assert '## Licence\n\nThe model that it started from: MIT "as is".' in card
        assert "trust_remote_code" not in card


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"backbone": "auto"}, "all-MiniLM-L6-v2, Apache License 2.0."),
        ({"backbone": "embedding", "model": "/an/encoder"}, "not given; look it up."),
        (
            {"backbone": "embedding", "model": "/an/encoder", "backbone_license": "MIT"},
            "encoder with its tokenizer: MIT.",
        ),
    ],
)
def test_it_names_the_licence_of_an_encoder_in_the_model(given, said):
    config = TrainConfig(**given)
    assert licence(config, {"choice": {"chosen": ["named", "embedded"]}}).endswith(said)
    without = licence(config, {"choice": {"chosen": ["named", "words"]}})
    assert without == "The weights began at random; the rankings' own terms apply."


def test_everybody_may_read_the_weights_who_may_read_the_rest(run):
    modes = {path.stat().st_mode for path in run[1].model.iterdir()}
    assert len(modes) == 1


def test_figures_of_any_depth_are_listed_but_no_lists():
    found = dict(
        figures(
            {
                "accuracy": 0.75,
                "accuracy_low": 0.5,
                "accuracy_high": 0.875,
                "baselines": {"words": {"accuracy": None, "near_equal": {"gain": 0.25}}},
                "by_labeller": [{"labeller": "Ann", "accuracy": 1.0}],
                "comparisons": 12,
            }
        )
    )
    assert found == {
        "accuracy": "0.750 (0.500 to 0.875)",
        "baselines: words: accuracy": "unknown",
        "baselines: words: near equal: gain": "0.250",
        "comparisons": "12",
    }


def test_text_is_made_plain():
    assert plain("a\n# [b](c) | `d`") == r"a \# \[b\](c) \| \`d\`"


def code(card):
    return re.findall(r"^```python\n(.*?)^```", card, re.MULTILINE | re.DOTALL)


def our_rewards(folder, prompts, texts):
    """Return the rewards as `training.score` computes them."""
    config = folder.read_config()
    backbone = load_backbone(folder.model, config, torch.device("cpu"))
    encoder = TextEncoder(
        backbone.tokenizer,
        max_prompt_tokens=config.max_prompt_tokens,
        max_response_tokens=config.max_response_tokens,
    )
    examples = [
        Example(encoder.prompt(prompt), encoder.responses([text]))
        for prompt, text in zip(prompts, texts, strict=True)
    ]
    with torch.no_grad():
        return backbone.rewards(examples)[:, 0].tolist()


def test_its_code_runs_and_a_policy_learns_from_it_in_trl(run, card, tmp_path, monkeypatch):
    """A real GRPO step, on a tiny policy; the rewards that TRL logs are ours."""
    _, folder = run
    monkeypatch.chdir(folder.path)
    policy_tokenizer = AutoTokenizer.from_pretrained(save_pretrained_folder(tmp_path, "llama"))
    prepare_tokenizer(policy_tokenizer)
    policy_tokenizer.save_pretrained(tmp_path)
    policy = AutoModelForCausalLM.from_pretrained(tmp_path)
    policy.resize_token_embeddings(len(policy_tokenizer))
    before = [weight.detach().clone() for weight in policy.parameters()]
    questions = ["Why is the sky blue?", "Write about water, number 1."]
    names = {
        "policy": policy,
        "prompts": Dataset.from_list(
            [{"prompt": [{"role": "user", "content": question}]} for question in questions]
        ),
        "args": GRPOConfig(
            output_dir=str(tmp_path / "policy"), per_device_train_batch_size=8, num_generations=4,
            max_completion_length=12, max_steps=1, learning_rate=1e-3, logging_steps=1,
            log_completions=True, report_to="none", save_strategy="no", use_cpu=True, bf16=False,
            disable_tqdm=True, seed=0,
        ),
    }  # fmt: skip
    use, through_pipeline, train = code(card)
    exec(use, names)  # noqa: S102 - the code is what is tested
    first = our_rewards(folder, [names["messages"][:1]], [names["messages"][1]["content"]])
    assert names["reward"] == pytest.approx(first[0], abs=1e-4)
    exec(through_pipeline, names)  # noqa: S102
    assert names["reward"] == pytest.approx(first[0], abs=1e-4)
    exec(train, names)  # noqa: S102

    (log,) = Path(names["args"].output_dir).rglob("*.parquet")
    rows = pd.read_parquet(log)
    texts = [row[0]["content"] for row in rows["completion"]]
    assert len(set(texts)) > 2
    expected = our_rewards(folder, [list(row) for row in rows["prompt"]], texts)
    assert rows["model"].tolist() == pytest.approx(expected, abs=1e-4)
    assert any(not torch.equal(*pair) for pair in zip(before, policy.parameters(), strict=True))
