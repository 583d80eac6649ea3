"""Of the last layer only what is read of it is computed."""

import pytest
import torch
from transformers import AutoModelForCausalLM

from tests.training.backbones.test_families import CAUSAL, CPU, save_folder
from tests.training.tiny import backbone_of, random_examples
from training.backbones.last_layer import last_layer
from training.backbones.layout import shared_size
from training.backbones.pretrained import PretrainedBackbone


def tokens_fed_forward(backbone, examples):
    """By the first layer, by the last."""
    layers = next(m for m in backbone.model.modules() if isinstance(m, torch.nn.ModuleList))
    counts = []
    for layer in (layers[0], layers[-1]):
        inner = getattr(layer, "mlp", None) or layer.fc1
        inner.register_forward_hook(
            lambda module, given, _: counts.append(given[0][..., 0].numel())
        )
    with torch.no_grad():
        backbone.rewards(examples)
    return tuple(counts)


@pytest.mark.parametrize("kind", ["gpt2", "llama", "qwen2", "qwen3"])
def test_the_last_layer_feeds_only_the_ends_of_responses_forward(kind):
    backbone = backbone_of(kind, attention="blocks")
    examples = random_examples(backbone)
    responses = sum(len(example.responses) for example in examples)
    assert tokens_fed_forward(backbone, examples) == (shared_size(examples), responses)


@pytest.mark.parametrize("family", ["phi3", "gpt_neox", "opt"])
def test_so_it_does_in_other_families(family, tmp_path):
    kind, sizes, _, _ = CAUSAL[family]
    config = save_folder(tmp_path, AutoModelForCausalLM, kind, sizes)
    backbone = PretrainedBackbone.create(config, CPU)
    examples = random_examples(backbone)
    responses = sum(len(example.responses) for example in examples)
    assert tokens_fed_forward(backbone, examples) == (shared_size(examples), responses)


def test_with_a_dense_mask_it_computes_all():
    backbone = backbone_of("gpt2", attention="dense")
    examples = random_examples(backbone)
    assert tokens_fed_forward(backbone, examples) == (shared_size(examples),) * 2


def test_a_layer_that_will_not_compute_the_ends_alone_computes_all():
    backbone = backbone_of("gpt2", attention="dense")
    layer = last_layer(backbone.model)
    whole = type(layer)

    def forward(self, hidden, *args, **kwargs):
        if hidden.shape[1] < 5:
            raise ValueError("too few tokens")
        return whole.forward(self, hidden, *args, **kwargs)

    layer.__class__ = type("Picky", (whole,), {"forward": forward})
    backbone.model.set_attn_implementation("sdpa")
    picky = PretrainedBackbone(backbone.model, backbone.tokenizer, "shared", "blocks")
    examples = random_examples(picky)
    assert tokens_fed_forward(picky, examples) == (shared_size(examples),) * 2


def test_a_model_without_a_list_of_its_layers_has_no_last_one():
    model = backbone_of("gpt2").model
    model.config.n_layer += 1
    assert last_layer(model) is None
