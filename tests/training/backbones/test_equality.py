"""Batched rewards, losses and gradients equal those computed one by one."""

import copy

import pytest
import torch
import torch.nn.functional as F

from tests.training.tiny import (
    SCRATCH,
    backbone_of,
    in_float64,
    random_examples,
    rewards_one_by_one,
)
from training.config import TrainConfig
from training.data.dataset import TokenizedPrompt, TokenizedRanking
from training.distributed.device import Device
from training.loop.loss import RankingLoss, pad_ranks
from training.loop.step import RankingLosses, accumulate_gradients
from training.rankings import comparisons

CAUSAL = ["gpt2", "llama", "qwen2", "qwen3"]
KINDS = [*CAUSAL, *SCRATCH]
ATTENTION_CASES = [
    *[(kind, attention) for kind in CAUSAL for attention in ("blocks", "dense")],
    *[(kind, "auto") for kind in SCRATCH],
]
RANKS = {
    "no ties": [(2, 1, 3), (1, 2), (4, 2, 1, 3)],
    "ties": [(1, 1, 2), (2, 1), (2, 1, 2, 1)],
}
CPU = Device(torch.device("cpu"), bf16=False)


def gradients(model):
    return {
        name: weight.grad.clone()
        for name, weight in model.named_parameters()
        if weight.grad is not None
    }


def rankings_of(examples, ranks):
    """Return examples as the rankings that the training loop takes."""
    found = []
    for number, (example, row) in enumerate(zip(examples, ranks, strict=True)):
        prompt = TokenizedPrompt(number, str(number), example.prompt, list(example.responses))
        found.append(TokenizedRanking(prompt, tuple(range(len(row))), row, None))
    return found


@pytest.mark.parametrize(("kind", "attention"), ATTENTION_CASES)
def test_shared_prefix_rewards_equal_separate_ones(kind, attention):
    backbone = backbone_of(kind, attention=attention)
    examples = random_examples(backbone)
    assert backbone.layout == "shared"
    with torch.no_grad():
        shared = backbone.rewards(examples)
        separate = rewards_one_by_one(backbone, examples)
    assert shared.std() > 0.1
    for row, alone in zip(shared, separate, strict=True):
        assert row[: len(alone)].tolist() == pytest.approx(alone.tolist(), abs=1e-5)
        assert row[len(alone) :].tolist() == [0.0] * (len(row) - len(alone))


@pytest.mark.parametrize("kind", [*KINDS, "bert"])
def test_padded_rewards_equal_separate_ones(kind):
    backbone = backbone_of(kind, "padded")
    examples = random_examples(backbone)
    with torch.no_grad():
        padded = backbone.rewards(examples)
        separate = rewards_one_by_one(backbone, examples)
    for row, alone in zip(padded, separate, strict=True):
        assert row[: len(alone)].tolist() == pytest.approx(alone.tolist(), abs=1e-5)


@pytest.mark.parametrize(("kind", "attention"), ATTENTION_CASES)
def test_shared_prefix_gradients_equal_padded_ones(kind, attention):
    found = []
    for layout in ("shared", "padded"):
        backbone = backbone_of(kind, layout, attention if layout == "shared" else "auto")
        assert backbone.layout == layout
        rewards = backbone.rewards(random_examples(backbone))
        losses = RankingLoss(TrainConfig())(rewards, pad_ranks(RANKS["no ties"]))
        losses.mean().backward()
        found.append((losses.mean().item(), gradients(backbone.model)))
    (shared_loss, shared), (padded_loss, padded) = found
    assert shared_loss == pytest.approx(padded_loss, abs=1e-5)
    assert shared.keys() == padded.keys()
    for name, gradient in shared.items():
        torch.testing.assert_close(gradient, padded[name], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("ties", ["drop", "half", "davidson"])
@pytest.mark.parametrize("ranks", list(RANKS))
@pytest.mark.parametrize("kind", KINDS)
def test_a_grouped_batch_equals_all_exploded_pairs(kind, ranks, ties):
    check_equals_exploded_pairs(kind, RANKS[ranks], TrainConfig(ties=ties))


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
    check_equals_exploded_pairs(kind, [(1, 1, 3), (2, 1), (2, 4, 2, 1)], TrainConfig(**options))


def check_equals_exploded_pairs(kind, ranks, config):
    grouped = in_float64(backbone_of(kind))
    exploded = copy.deepcopy(grouped)
    examples = random_examples(grouped)
    objective = RankingLoss(config).double()
    log_nu = torch.tensor(0.0, dtype=torch.float64, requires_grad=True)

    losses = RankingLosses(grouped, objective)
    done, _ = accumulate_gradients(
        losses, rankings_of(examples, ranks), CPU, config.tokens_per_batch
    )
    loss = exploded_loss(exploded, examples, ranks, config, log_nu)

    assert done.loss == pytest.approx(loss, abs=1e-9)
    expected = gradients(exploded.model)
    found = gradients(grouped.model)
    assert found.keys() == expected.keys()
    for name, gradient in found.items():
        torch.testing.assert_close(gradient, expected[name], atol=1e-9, rtol=1e-9)
    if objective.log_nu is not None:
        assert objective.log_nu.grad.item() == pytest.approx(log_nu.grad.item(), abs=1e-9)


def exploded_loss(backbone, examples, ranks, config, log_nu):
    """Return the loss of all comparisons, with a backward pass for each of them."""
    total = 0.0
    for example, row in zip(examples, ranks, strict=True):
        pairs = comparisons(row, config.ties)
        for pair in pairs:
            rewards = rewards_one_by_one(backbone, [example])[0]
            lead = rewards[pair.better] - rewards[pair.worse]
            lead = lead - config.margin * (row[pair.worse] - row[pair.better])
            loss = pair_loss(lead, pair.target, config, log_nu) / len(pairs) / len(ranks)
            loss.backward()
            total += loss.item()
    return total


def pair_loss(lead, target, config, log_nu):
    if config.ties == "davidson":
        strengths = torch.stack([lead / 2, -lead / 2, log_nu]).log_softmax(0)
        win, loss, tie = strengths.unbind()
        if target == 0.5:
            return -tie
    else:
        win, loss = F.logsigmoid(lead), F.logsigmoid(-lead)
    right = target - config.label_smoothing * (2 * target - 1)
    return -right * win - (1 - right) * loss


@pytest.mark.parametrize("kind", ["gpt2", *SCRATCH])
def test_small_batches_add_up_to_the_whole_step(kind):
    found = []
    for budget in (10_000, 40, 16):
        backbone = in_float64(backbone_of(kind))
        rankings = rankings_of(random_examples(backbone), RANKS["ties"])
        config = TrainConfig(tokens_per_batch=budget)
        losses = RankingLosses(backbone, RankingLoss(config))
        done, _ = accumulate_gradients(losses, rankings, CPU, config.tokens_per_batch)
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
