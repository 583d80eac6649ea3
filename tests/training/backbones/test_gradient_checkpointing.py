"""Gradient checkpointing computes activations twice and gives the same gradients."""

import pytest
import torch

from tests.training.tiny import random_examples, save_pretrained_folder
from training.backbones.pretrained import PretrainedBackbone
from training.config import TrainConfig
from training.errors import UserError

CPU = torch.device("cpu")


@pytest.mark.parametrize("layout", ["shared", "padded"])
@pytest.mark.parametrize("lora_rank", [0, 4])
@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_gradients_are_the_same_with_checkpointing(kind, lora_rank, layout, tmp_path):
    folder = save_pretrained_folder(tmp_path, kind)
    found = {}
    for switch in ("off", "on"):
        torch.manual_seed(0)
        config = TrainConfig(
            backbone="pretrained", model=str(folder), lora_rank=lora_rank, layout=layout,
            gradient_checkpointing=switch, max_prompt_tokens=32, max_response_tokens=32,
        )  # fmt: skip
        backbone = PretrainedBackbone.create(config, CPU)
        backbone.model.train()
        calls = count_calls(backbone.model)
        backbone.rewards(random_examples(backbone)).square().sum().backward()
        found[switch] = [w.grad for w in backbone.model.parameters() if w.grad is not None]
        assert calls == [1 if switch == "off" else 2]
    for expected, gradient in zip(found["off"], found["on"], strict=True):
        torch.testing.assert_close(gradient, expected)


def count_calls(model):
    """Return a list whose one number counts the calls of the first layer."""
    calls = [0]
    block = next(module for module in model.modules() if isinstance(module, torch.nn.ModuleList))[0]
    inner = next(iter(block.children()))

    def count(*_):
        calls[0] += 1

    inner.register_forward_hook(count)
    return calls


def test_a_model_without_gradient_checkpointing_is_refused(tmp_path, monkeypatch):
    folder = save_pretrained_folder(tmp_path, "gpt2")
    monkeypatch.setattr(
        "transformers.GPT2ForSequenceClassification.supports_gradient_checkpointing", False
    )
    config = TrainConfig(
        backbone="pretrained", model=str(folder), gradient_checkpointing="on",
        max_prompt_tokens=32, max_response_tokens=32,
    )  # fmt: skip
    with pytest.raises(UserError, match="use --gradient-checkpointing off"):
        PretrainedBackbone.create(config, CPU)
