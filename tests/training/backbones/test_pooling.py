"""A pretrained model's reward may be read from its first token, its last, or the mean of all."""

import json
import subprocess
import sys

import pytest
import torch
from transformers import AutoModelForMaskedLM, BertConfig, ModernBertConfig, RobertaConfig

from tests.training.backbones.test_families import (
    BERT_IDS,
    ENCODER,
    check_last_layer,
    save_folder,
)
from tests.training.tiny import random_examples, save_encoder_folder
from training.backbones.choose import load_backbone
from training.backbones.defaults import complete
from training.backbones.pooled import PodiumPooledForSequenceClassification
from training.backbones.pooling import pooling_of
from training.backbones.pretrained import PretrainedBackbone
from training.config import TrainConfig
from training.errors import UserError
from training.saving.verify import verify

CPU = torch.device("cpu")


def config_for(folder, pooling="auto", **more):
    limits = {"max_prompt_tokens": 24, "max_response_tokens": 24}
    return TrainConfig(backbone="pretrained", model=str(folder), pooling=pooling, **limits, **more)


@pytest.fixture
def bert(tmp_path):
    save_folder(tmp_path / "bert", AutoModelForMaskedLM, BertConfig, ENCODER)
    return tmp_path / "bert"


def create(folder, pooling="auto", **more):
    torch.manual_seed(0)
    return PretrainedBackbone.create(config_for(folder, pooling, **more), CPU)


@pytest.mark.parametrize("pooling", ["mean", "last"])
def test_an_encoder_reads_what_it_is_told_to(bert, tmp_path, pooling):
    backbone = create(bert, pooling)
    examples = random_examples(backbone)
    backbone.save(tmp_path / "saved")
    verify(backbone, tmp_path / "saved", examples)
    again = load_backbone(tmp_path / "saved", TrainConfig(backbone="pretrained"), CPU)
    with torch.no_grad():
        torch.testing.assert_close(again.rewards(examples), backbone.rewards(examples))
    assert pooling_of(again.model) == pooling
    check_last_layer(again, examples)
    assert str(tmp_path) not in (tmp_path / "saved" / "config.json").read_text()


def test_the_mean_is_the_mean_of_all_tokens(bert):
    backbone = create(bert, "mean")
    tokens = torch.tensor([[5, 9, 7, 30, 4]])
    with torch.no_grad():
        hidden = backbone.model.model(tokens).last_hidden_state
        reward = backbone.model(tokens).logits
    torch.testing.assert_close(reward, hidden.mean(dim=1) @ backbone.model.reward.weight.T)


def test_a_causal_model_may_read_the_mean_but_not_the_first_token(gpt2_folder):
    backbone = create(gpt2_folder, "mean")
    assert isinstance(backbone.model, PodiumPooledForSequenceClassification)
    assert backbone.layout == "padded"
    with pytest.raises(UserError, match="pooling cls reads the first token"):
        create(gpt2_folder, "cls")


@pytest.mark.parametrize("pooling", ["auto", "last"])
def test_what_the_architecture_reads_itself_needs_no_code_of_ours(gpt2_folder, pooling):
    assert type(create(gpt2_folder, pooling).model).__name__ == "GPT2ForSequenceClassification"


def test_an_encoder_reads_its_first_token_by_itself(bert):
    assert type(create(bert, "cls").model).__name__ == "BertForSequenceClassification"
    assert pooling_of(create(bert).model) == "cls"


def test_modernbert_reads_the_mean_with_its_own_classifier(tmp_path):
    sizes = ENCODER | BERT_IDS | {"local_attention": 8}
    save_folder(tmp_path / "base", AutoModelForMaskedLM, ModernBertConfig, sizes)
    backbone = create(tmp_path / "base", "mean")
    assert type(backbone.model).__name__ == "ModernBertForSequenceClassification"
    assert pooling_of(backbone.model) == "mean"
    backbone.save(tmp_path / "saved")
    verify(backbone, tmp_path / "saved", random_examples(backbone))


def test_lora_freezing_and_checkpointing_work_with_the_mean(tmp_path):
    save_folder(
        tmp_path / "base", AutoModelForMaskedLM, RobertaConfig,
        ENCODER | {"max_position_embeddings": 66},
    )  # fmt: skip
    backbone = create(tmp_path / "base", "mean", lora_rank=2)
    examples = random_examples(backbone)
    backbone.save(tmp_path / "saved")
    verify(backbone, tmp_path / "saved", examples)
    frozen = create(tmp_path / "base", "mean", freeze="1", gradient_checkpointing="on").model
    trained = {name for name, weight in frozen.named_parameters() if weight.requires_grad}
    assert "reward.weight" in trained
    assert all(name == "reward.weight" or ".layer.1." in name for name in trained)


def test_a_model_that_reads_the_mean_can_be_adapted(bert, tmp_path):
    first = create(bert, "mean")
    first.save(tmp_path / "first")
    config = complete(TrainConfig(backbone="pretrained", model=str(tmp_path / "first")))
    assert config.head_learning_rate == config.learning_rate
    second = create(tmp_path / "first")
    assert not second.head_is_new
    examples = random_examples(first)
    with torch.no_grad():
        torch.testing.assert_close(second.rewards(examples), first.rewards(examples))


def test_a_run_with_the_mean_is_saved_with_its_code(rankings_file, tmp_path):
    run, bert = tmp_path / "run", save_encoder_folder(tmp_path / "bert")
    arguments = (
        f"--rankings {rankings_file} --run-folder {run} --backbone pretrained --model {bert}"
        " --pooling mean --max-prompt-tokens 30 --max-response-tokens 30 --max-steps 2"
    )
    command = [sys.executable, "-m", "training.train", *arguments.split()]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr
    manifest = json.loads((run / "manifest.json").read_text())
    assert (manifest["pooling"], manifest["own_code"]) == ("mean", True)
    assert "trust_remote_code=True" in (run / "model" / "README.md").read_text()
