"""The recurrent network computes the right states, rewards and gradients."""

import copy
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.training.tiny import random_examples, scratch_backbone
from training.backbones.layout import memory_rows, response_mask
from training.backbones.rnn import (
    PodiumRNNConfig,
    PodiumRNNForSequenceClassification,
    computes_under_autocast,
)
from training.backbones.scratch import ScratchBackbone

CELLS = ["gru", "lstm"]
SIZES = ((7, (3, 6, 4)), (2, (5, 1)), (9, (2, 2, 8, 3)), (2, (4, 4)))


@pytest.fixture(params=CELLS)
def backbone(request):
    return scratch_backbone(request.param)


def model_of(cell, layers=2):
    torch.manual_seed(0)
    config = PodiumRNNConfig(
        vocab_size=50, hidden_size=32, cell=cell, num_hidden_layers=layers, separator_token_id=3
    )
    return PodiumRNNForSequenceClassification(config)


@pytest.mark.parametrize(("cell", "kind"), [("gru", torch.nn.GRU), ("lstm", torch.nn.LSTM)])
def test_a_cell_is_chosen_by_name(cell, kind):
    rnn = model_of(cell, layers=3).rnn
    assert type(rnn) is kind
    assert (rnn.num_layers, rnn.hidden_size, rnn.bidirectional) == (3, 32, False)


def test_an_unknown_cell_is_refused():
    with pytest.raises(ValueError, match="cell must be one of gru, lstm, got 'cnn'"):
        PodiumRNNConfig(cell="cnn")


def test_the_state_after_a_prompt_is_that_of_the_prompt_alone(backbone):
    """Compare states of prompts whose lengths differ, repeat and are not sorted."""
    model = backbone.model
    rows = memory_rows(random_examples(backbone, SIZES), backbone.pad)
    with torch.no_grad():
        together = model._state_after(rows.prompts_NP, rows.prompt_lengths_N)
        for n, length in enumerate(rows.prompt_lengths_N.tolist()):
            _, alone = model.rnn(model.embedding(rows.prompts_NP[n : n + 1, :length]))
            parts = alone if isinstance(alone, tuple) else (alone,)
            for part, expected in zip(together, parts, strict=True):
                torch.testing.assert_close(part[:, n : n + 1], expected, atol=1e-5, rtol=0)


def test_a_prompt_is_read_once_without_its_padding(backbone):
    read = []

    def count(module, inputs):
        read.append(inputs[0].shape[0] * inputs[0].shape[1])

    backbone.model.rnn.register_forward_pre_hook(count)
    examples = random_examples(backbone, SIZES)
    with torch.no_grad():
        backbone.rewards(examples)
    prompts = sum(len(example.prompt) for example in examples)
    longest = max(len(response) for example in examples for response in example.responses)
    most = max(len(example.responses) for example in examples)
    assert sum(read) == prompts + len(examples) * most * longest


def test_the_tokens_of_the_padding_change_nothing(backbone):
    examples = random_examples(backbone, SIZES)
    found = []
    with torch.no_grad():
        for padding in (backbone.pad, 42):
            rows = memory_rows(examples, padding)
            found.append(
                backbone.model.rewards(
                    rows.prompts_NP, rows.prompt_lengths_N, rows.responses_NKR, rows.ends_NK
                )
            )
    assert torch.equal(*(rewards[response_mask(examples)] for rewards in found))


def test_gradients_in_float32_are_those_in_float64(backbone):
    """Compare precisions, for which torch uses different implementations."""
    exact = copy.deepcopy(backbone)
    exact.model.double()
    for one in (backbone, exact):
        one.rewards(random_examples(one, SIZES)).square().sum().backward()
    for weight, expected in zip(backbone.model.parameters(), exact.model.parameters(), strict=True):
        torch.testing.assert_close(weight.grad.double(), expected.grad, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("cell", CELLS)
def test_gates_are_initialised_to_remember(cell):
    model = model_of(cell)
    for layer in range(2):
        bias = getattr(model.rnn, f"bias_ih_l{layer}") + getattr(model.rnn, f"bias_hh_l{layer}")
        assert [part.unique().tolist() for part in bias.split(32)][:3] == [[0.0], [1.0], [0.0]]
        for map_ in getattr(model.rnn, f"weight_hh_l{layer}").split(32):
            torch.testing.assert_close(map_ @ map_.T, torch.eye(32), atol=1e-5, rtol=0)


def test_a_saved_model_keeps_cell_layers_and_rewards(backbone, tmp_path):
    backbone.save(tmp_path)
    again = PodiumRNNForSequenceClassification.from_pretrained(tmp_path).eval()
    assert type(again.rnn) is type(backbone.model.rnn)
    assert again.rnn.num_layers == 2
    examples = random_examples(backbone, SIZES)
    with torch.no_grad():
        expected = backbone.rewards(examples)
        found = ScratchBackbone(again, backbone.tokenizer, "shared").rewards(examples)
    assert torch.equal(found, expected)


def gradients_under_autocast(backbone):
    backbone.model.zero_grad()
    with torch.autocast("cpu", torch.bfloat16):
        rewards = backbone.rewards(random_examples(backbone, SIZES))
    rewards.square().sum().backward()
    return rewards.detach(), [weight.grad.clone() for weight in backbone.model.parameters()]


def test_without_bf16_kernels_the_layers_compute_in_float32(backbone):
    rewards = backbone.rewards(random_examples(backbone, SIZES))
    rewards.square().sum().backward()
    gradients = [weight.grad.clone() for weight in backbone.model.parameters()]
    computed = []
    backbone.model.rnn.register_forward_hook(lambda *found: computed.append(found[2][0].dtype))
    backbone.model.in_float32 = True
    found, found_gradients = gradients_under_autocast(backbone)
    assert set(computed) == {torch.float32}
    torch.testing.assert_close(found, rewards.detach())
    for gradient, expected in zip(found_gradients, gradients, strict=True):
        torch.testing.assert_close(gradient, expected)


def test_with_and_without_bf16_kernels_rewards_and_gradients_are_near_those_in_float32(backbone):
    backbone.model.in_float32 = True
    rewards, gradients = gradients_under_autocast(backbone)
    backbone.model.in_float32 = None
    found, found_gradients = gradients_under_autocast(backbone)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, rewards, atol=0.05, rtol=0.05)
    for gradient, expected in zip(found_gradients, gradients, strict=True):
        assert (gradient - expected).norm() < 0.1 * expected.norm()


@pytest.mark.parametrize("cell", CELLS)
def test_the_trial_of_kernels_draws_no_random_numbers(cell):
    before = torch.get_rng_state()
    computes_under_autocast.__wrapped__(cell, "cpu", torch.bfloat16)
    assert torch.equal(torch.get_rng_state(), before)


def test_an_lstm_computes_under_bf16_where_the_processor_has_no_kernels_for_it():
    """Limit oneDNN to AVX2, for which it has no such kernels on any x86 processor."""
    program = """
import torch
from tests.training.tiny import random_examples, scratch_backbone
backbone = scratch_backbone("lstm")
examples = random_examples(backbone)
with torch.autocast("cpu", torch.bfloat16):
    found = backbone.rewards(examples)
found.sum().backward()
assert found.dtype == torch.float32
"""
    subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).resolve().parents[3],
        env=os.environ | {"ONEDNN_MAX_CPU_ISA": "AVX2", "OMP_NUM_THREADS": "1"},
        check=True,
    )
