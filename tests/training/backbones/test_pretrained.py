"""Hugging Face models become reward models, or are refused with a reason."""

import json
import math
import shutil

import pytest
import torch
from transformers import (
    AutoModelForSequenceClassification,
    BartConfig,
    BartForConditionalGeneration,
)

from tests.training.tiny import (
    family_config,
    gpt2_like_tokenizer,
    random_examples,
    save_pretrained_folder,
)
from training.backbones.choose import load_backbone
from training.backbones.defaults import complete
from training.backbones.pretrained import PretrainedBackbone
from training.config import TrainConfig
from training.errors import UserError
from training.saving.verify import verify

CPU = torch.device("cpu")


def config_for(folder, **more):
    limits = {"max_prompt_tokens": 32, "max_response_tokens": 32}
    return TrainConfig(backbone="pretrained", model=str(folder), **limits, **more)


@pytest.fixture
def backbone(gpt2_folder):
    torch.manual_seed(0)
    return PretrainedBackbone.create(config_for(gpt2_folder), CPU)


def test_a_language_model_becomes_a_reward_model(backbone):
    assert type(backbone.model).__name__ == "GPT2ForSequenceClassification"
    assert backbone.model.config.num_labels == 1
    assert backbone.layout == "shared"


def test_weights_are_kept_and_the_head_is_new(gpt2_folder, backbone):
    original = AutoModelForSequenceClassification.from_pretrained(gpt2_folder, num_labels=1)
    rows = original.transformer.wte.weight.shape[0]
    assert torch.equal(
        backbone.model.transformer.wte.weight[:rows], original.transformer.wte.weight
    )
    weight = backbone.model.score.weight
    assert weight.std().item() == pytest.approx(1 / math.sqrt(weight.shape[1] + 1), rel=0.4)


def test_gpt2_gets_a_pad_token_of_its_own(backbone):
    pad, end = backbone.tokenizer.pad_token_id, backbone.tokenizer.eos_token_id
    assert pad != end
    assert backbone.model.config.pad_token_id == pad
    assert backbone.model.get_input_embeddings().weight.shape[0] == len(backbone.tokenizer)


def test_dropout_is_off(backbone):
    backbone.model.train()
    examples = random_examples(backbone)
    with torch.no_grad():
        assert torch.equal(backbone.rewards(examples), backbone.rewards(examples))


@pytest.mark.parametrize("family", ["gpt2", "llama", "qwen2", "qwen3"])
def test_a_saved_folder_loads_and_scores_the_same(family, tmp_path):
    folder = save_pretrained_folder(tmp_path / "base", family)
    backbone = PretrainedBackbone.create(config_for(folder), CPU)
    examples = random_examples(backbone)
    backbone.save(tmp_path / "saved")
    verify(backbone, tmp_path / "saved", examples)
    again = load_backbone(tmp_path / "saved", TrainConfig(), CPU)
    with torch.no_grad():
        torch.testing.assert_close(again.rewards(examples), backbone.rewards(examples))
    assert again.tokenizer.chat_template == backbone.tokenizer.chat_template


def test_an_encoder_is_trained_in_padded_rows(tmp_path):
    tokenizer = gpt2_like_tokenizer()
    tokenizer.add_special_tokens({"pad_token": "<|pad|>"})
    config = family_config("bert", len(tokenizer), pad_token_id=tokenizer.pad_token_id)
    AutoModelForSequenceClassification.from_config(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    backbone = PretrainedBackbone.create(config_for(tmp_path), CPU)
    assert backbone.layout == "padded"
    assert backbone.model.classifier.weight.shape == (1, 32)
    assert backbone.rewards(random_examples(backbone)).requires_grad


def test_weights_of_another_size_are_refused(gpt2_folder, tmp_path):
    folder = tmp_path / "other"
    shutil.copytree(gpt2_folder, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"n_positions": 96}))
    assert "has an unexpected shape" in refusal(config_for(folder))


def refusal(config):
    with pytest.raises(UserError) as caught:
        PretrainedBackbone.create(config, CPU)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_missing_folder_is_refused(tmp_path):
    assert "does not exist; choose another --model, such as a folder" in refusal(
        config_for(tmp_path / "none")
    )


def test_an_unreachable_hub_is_reported_with_a_hint(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")  # no server uses this port
    found = refusal(config_for("podium-test/is-nowhere"))
    assert (
        "cannot be reached; choose another --model, such as a folder, or another --backbone"
        in found
    )


def test_pickles_are_refused(gpt2_folder, tmp_path):
    folder = tmp_path / "pickles"
    shutil.copytree(gpt2_folder, folder)
    (folder / "model.safetensors").unlink()
    torch.save({}, folder / "pytorch_model.bin")
    assert "as pickles only, which can run code" in refusal(config_for(folder))


def test_corrupt_weights_are_refused(gpt2_folder, tmp_path):
    folder = tmp_path / "corrupt"
    shutil.copytree(gpt2_folder, folder)
    (folder / "model.safetensors").write_bytes(b"\x00" * 64)
    assert f"model {folder} cannot be loaded" in refusal(config_for(folder))


def test_a_folder_without_a_model_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("nothing here")
    assert f"model {tmp_path} cannot be loaded" in refusal(config_for(tmp_path))


def test_limits_above_the_model_maximum_are_refused(gpt2_folder):
    limits = {"max_prompt_tokens": 512, "max_response_tokens": 512}
    config = TrainConfig(backbone="pretrained", model=str(gpt2_folder), **limits)
    assert "max_prompt_tokens + max_response_tokens is 1024, but" in refusal(complete(config))


def test_the_shared_layout_is_refused_if_it_does_not_work(tmp_path):
    folder = save_pretrained_folder(tmp_path, "mistral")
    found = refusal(config_for(folder, layout="shared"))
    assert found == "layout shared does not work for a mistral model; use --layout padded"


def test_an_encoder_decoder_is_refused(tmp_path):
    config = BartConfig(
        vocab_size=330, d_model=16, encoder_layers=1, decoder_layers=1, encoder_ffn_dim=16,
        decoder_ffn_dim=16, encoder_attention_heads=2, decoder_attention_heads=2,
        max_position_embeddings=128,
    )  # fmt: skip
    BartForConditionalGeneration(config).save_pretrained(tmp_path)
    gpt2_like_tokenizer().save_pretrained(tmp_path)
    assert "is an encoder-decoder; choose a causal model" in refusal(config_for(tmp_path))


def test_attention_that_the_device_does_not_support_is_refused(tmp_path):
    folder = save_pretrained_folder(tmp_path, "gpt2")
    found = refusal(config_for(folder, attention="flex"))
    assert found == "attention flex does not work for a gpt2 model on cpu; use --attention auto"
