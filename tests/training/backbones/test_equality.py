"""Batched rewards, losses and gradients equal those computed one by one."""

import pytest
import torch

from tests.training.backbones.equality import (
    CAUSAL,
    KINDS,
    RANKS,
    check_bf16_gradients,
    check_gradients,
    check_pairs,
    check_separate_rewards,
    elements_of,
    gradients,
)
from tests.training.tiny import SCRATCH, backbone_of, in_float64, random_examples
from training.config import TrainConfig
from training.distributed.device import Device
from training.loop.loss import RankingLoss
from training.loop.step import RankingLosses, accumulate_gradients

ATTENTION_CASES = [
    *[(kind, attention) for kind in CAUSAL for attention in ("blocks", "dense")],
    *[(kind, "auto") for kind in SCRATCH],
]
CPU = Device(torch.device("cpu"), bf16=False)


@pytest.mark.parametrize(("kind", "attention"), ATTENTION_CASES)
def test_shared_prefix_rewards_equal_separate_ones(kind, attention):
    check_separate_rewards(kind, "shared", attention)


@pytest.mark.parametrize("kind", [*KINDS, "bert"])
def test_padded_rewards_equal_separate_ones(kind):
    check_separate_rewards(kind, "padded")


@pytest.mark.parametrize(("kind", "attention"), ATTENTION_CASES)
def test_shared_prefix_gradients_equal_padded_ones(kind, attention):
    check_gradients(kind, attention)


@pytest.mark.parametrize(("kind", "attention"), ATTENTION_CASES)
def test_bf16_moves_gradients_as_far_as_in_the_padded_layout(kind, attention):
    check_bf16_gradients(kind, attention)


@pytest.mark.parametrize("ties", ["drop", "half", "davidson"])
@pytest.mark.parametrize("ranks", list(RANKS))
@pytest.mark.parametrize("kind", KINDS)
def test_a_grouped_batch_equals_all_exploded_pairs(kind, ranks, ties):
    check_pairs(kind, RANKS[ranks], TrainConfig(ties=ties))


@pytest.mark.parametrize(
    "options",
    [
        {"margin": 0.5, "label_smoothing": 0.2},
        {"margin": 0.5, "label_smoothing": 0.2, "ties": "half"},
        {"label_smoothing": 0.2, "ties": "davidson"},
    ],
)
@pytest.mark.parametrize("kind", ["gpt2", *SCRATCH])
def test_a_grouped_batch_equals_pairs_with_margin_and_smoothing(kind, options):
    check_pairs(kind, [(1, 1, 3), (2, 1), (2, 4, 2, 1)], TrainConfig(**options))


@pytest.mark.parametrize("kind", ["gpt2", *SCRATCH])
def test_small_batches_add_up_to_the_whole_step(kind):
    found = []
    for budget in (10_000, 40, 16):
        backbone = in_float64(backbone_of(kind))
        elements = elements_of(random_examples(backbone), RANKS["ties"])
        config = TrainConfig(tokens_per_batch=budget)
        losses = RankingLosses(backbone, RankingLoss(config))
        done, _ = accumulate_gradients(losses, elements, CPU, config.tokens_per_batch)
        found.append((done.loss, done.comparisons, gradients(backbone.model)))
    for loss, count, gradient in found[1:]:
        assert loss == pytest.approx(found[0][0], abs=1e-12)
        assert count == found[0][1]
        for name, value in gradient.items():
            torch.testing.assert_close(value, found[0][2][name], atol=1e-12, rtol=1e-9)


def test_a_model_with_sliding_window_attention_gets_the_padded_layout():
    assert backbone_of("mistral", "auto").layout == "padded"


def test_an_encoder_gets_the_padded_layout():
    assert backbone_of("bert", "auto").layout == "padded"


@pytest.mark.parametrize("kind", SCRATCH)
def test_bf16_keeps_the_head_in_float32(kind):
    backbone = backbone_of(kind)
    with torch.no_grad(), Device(torch.device("cpu"), bf16=True).autocast():
        rewards = backbone.rewards(random_examples(backbone))
    assert rewards.dtype == torch.float32
