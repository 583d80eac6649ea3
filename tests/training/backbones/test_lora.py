"""LoRA trains few weights, and the saved folder holds an ordinary model."""

import json

import pytest
import torch
from safetensors import safe_open
from transformers import AutoModelForSequenceClassification

from tests.training.tiny import (
    family_config,
    gpt2_like_tokenizer,
    random_examples,
    save_pretrained_folder,
)
from training.backbones.choose import load_backbone
from training.backbones.pretrained import PretrainedBackbone
from training.config import TrainConfig
from training.runs.folder import RunFolder
from training.saving.verify import verify
from training.train import main

CPU = torch.device("cpu")
HEADS = {"gpt2": {"score.weight"}, "llama": {"score.weight"},
         "bert": {"classifier.weight", "classifier.bias"}}  # fmt: skip


def save_folder(folder, family):
    if family != "bert":
        return save_pretrained_folder(folder, family)
    torch.manual_seed(0)
    tokenizer = gpt2_like_tokenizer()
    AutoModelForSequenceClassification.from_config(
        family_config("bert", len(tokenizer))
    ).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def lora_backbone(folder, family, **more):
    torch.manual_seed(0)
    config = TrainConfig(
        backbone="pretrained", model=str(save_folder(folder, family)), lora_rank=4,
        max_prompt_tokens=32, max_response_tokens=32, **more,
    )  # fmt: skip
    return PretrainedBackbone.create(config, CPU)


def learn(backbone, examples, steps):
    """Train the first response of each example to win, and return the losses."""
    trained = [weight for weight in backbone.model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=0.01)
    losses = []
    for _ in range(steps):
        rewards = backbone.rewards(examples)
        loss = -torch.nn.functional.logsigmoid(rewards[:, :1] - rewards[:, 1:]).mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses


@pytest.fixture(params=["gpt2", "llama", "bert"])
def family(request):
    return request.param


def test_only_the_updates_and_the_head_are_trained(family, tmp_path):
    backbone = lora_backbone(tmp_path, family)
    backbone.rewards(random_examples(backbone)).square().sum().backward()
    with_gradient = {n for n, w in backbone.model.named_parameters() if w.grad is not None}
    changes = {name for name, _ in backbone.model.named_parameters() if ".lora_" in name}
    assert with_gradient == changes | HEADS[family]
    layers = 2 * {"gpt2": 4, "llama": 7, "bert": 6}[family] + (family == "bert")  # its pooler
    assert len(changes) == 2 * layers


def test_lora_starts_with_the_outputs_of_its_base_model(tmp_path):
    backbone = lora_backbone(tmp_path / "base", "llama")
    plain = AutoModelForSequenceClassification.from_pretrained(tmp_path / "base", num_labels=1)
    tokens = torch.tensor([[5, 6, 7, 8]])
    found, expected = (model.model(tokens)[0] for model in (backbone.model, plain))
    torch.testing.assert_close(found, expected)


def test_the_shared_layout_is_kept(tmp_path):
    assert lora_backbone(tmp_path, "llama").layout == "shared"


def test_the_merged_folder_scores_the_same_without_lora(family, tmp_path):
    backbone = lora_backbone(tmp_path / "base", family)
    examples = random_examples(backbone)
    losses = learn(backbone, examples, steps=12)
    assert losses[-1] < 0.5 * losses[0]
    with torch.no_grad():
        before = backbone.rewards(examples)
        backbone.save(tmp_path / "saved")
        assert torch.equal(backbone.rewards(examples), before)
    verify(backbone, tmp_path / "saved", examples)
    with torch.no_grad():
        again = load_backbone(tmp_path / "saved", TrainConfig(), CPU)
        torch.testing.assert_close(again.rewards(examples), before, atol=1e-4, rtol=1e-4)
    with (
        safe_open(tmp_path / "base" / "model.safetensors", "pt") as base,
        safe_open(tmp_path / "saved" / "model.safetensors", "pt") as saved,
    ):
        assert set(saved.keys()) - HEADS[family] == set(base.keys()) - {
            "lm_head.weight",
            *HEADS[family],
        }
    assert not any("lora" in path.read_text() for path in (tmp_path / "saved").glob("*.json"))


def test_weights_missing_from_the_files_are_trained_in_full(tmp_path):
    """Train the pooler in full, which BERT's language model lacks and which starts random."""
    folder = save_folder(tmp_path, "bert")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"architectures": ["BertModel"]}))
    weights = AutoModelForSequenceClassification.from_pretrained(folder).state_dict()
    AutoModelForSequenceClassification.from_pretrained(folder).save_pretrained(
        folder, state_dict={k: v for k, v in weights.items() if "pooler" not in k}
    )
    settings = TrainConfig(
        backbone="pretrained", model=str(folder), lora_rank=4,
        max_prompt_tokens=32, max_response_tokens=32,
    )  # fmt: skip
    backbone = PretrainedBackbone.create(settings, CPU)
    trained = {n for n, w in backbone.model.named_parameters() if w.requires_grad}
    assert {"bert.pooler.dense.weight", "bert.pooler.dense.bias"} <= trained


def test_a_run_learns_with_lora(gpt2_folder, rankings_file, tmp_path):
    folder = RunFolder(tmp_path / "run")
    arguments = (
        f"--rankings {rankings_file} --run-folder {folder.path} --backbone pretrained"
        f" --model {gpt2_folder} --max-prompt-tokens 64 --max-response-tokens 64"
        " --lora-rank 4 --learning-rate 0.01 --epochs 12"
        " --rankings-per-step 8 --gradient-checkpointing on"
    )
    assert main(arguments.split()) == 0
    losses = [line["loss"] for line in folder.metric_lines()]
    assert sum(losses[-3:]) < 0.7 * sum(losses[:3])
