"""Checks of the layouts and of the loss on any device. They need no pytest.

Each check returns the largest difference that it found, and raises AssertionError if it is too
large. benchmarks/gpu/equality.py runs them on CUDA.
"""

import copy

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
from training.data.dataset import Element, TokenizedPrompt, TokenizedRanking
from training.distributed.device import Device
from training.loop.loss import RankingLoss, pad_ranks
from training.loop.step import RankingLosses, accumulate_gradients
from training.rankings import comparisons

CAUSAL = ["gpt2", "llama", "qwen2", "qwen3"]
KINDS = [*CAUSAL, *SCRATCH]
RANKS = {
    "no ties": [(2, 1, 3), (1, 2), (4, 2, 1, 3)],
    "ties": [(1, 1, 2), (2, 1), (2, 1, 2, 1)],
}


def gradients(model):
    return {
        name: weight.grad.clone()
        for name, weight in model.named_parameters()
        if weight.grad is not None
    }


def elements_of(examples, ranks):
    """Return examples as the elements that the training loop takes, with one ranking each."""
    found = []
    for number, (example, row) in enumerate(zip(examples, ranks, strict=True)):
        prompt = TokenizedPrompt(number, str(number), example.prompt, list(example.responses))
        ranking = TokenizedRanking(prompt, tuple(range(len(row))), row, None)
        found.append(Element.of([ranking]))
    return found


def close(found, expected, atol, rtol=0.0):
    """Return the largest difference of two tensors. Raises AssertionError if it is too large."""
    torch.testing.assert_close(found, expected, atol=atol, rtol=rtol)
    return float((found - expected).abs().max())


def all_close(found, expected, atol, rtol):
    assert found.keys() == expected.keys()
    return max(close(found[name], expected[name], atol, rtol) for name in found)


def check_separate_rewards(kind, layout, attention="auto", device="cpu", atol=1e-5):
    """Check that rewards equal those of one response at a time, and are 0 where there is none."""
    backbone = backbone_of(kind, layout, attention, device)
    assert backbone.layout == layout
    examples = random_examples(backbone)
    with torch.no_grad():
        found = backbone.rewards(examples)
        separate = rewards_one_by_one(backbone, examples)
    assert found.std() > 0.1
    for row, alone in zip(found, separate, strict=True):
        assert row[len(alone) :].tolist() == [0.0] * (len(row) - len(alone))
    together = torch.cat([row[: len(alone)] for row, alone in zip(found, separate, strict=True)])
    return close(together, torch.cat(separate), atol)


def training_backbone(kind, layout, attention, device):
    """Return a backbone in the mode that gradients need: cuDNN trains no RNN in eval mode."""
    backbone = backbone_of(kind, layout, attention, device)
    assert backbone.layout == layout
    backbone.model.train(kind in SCRATCH)  # the others would drop out
    return backbone


def loss_and_gradients(kind, layout, attention, device, bf16=False):
    backbone = training_backbone(kind, layout, attention, device)
    with Device(torch.device(device), bf16).autocast():
        rewards = backbone.rewards(random_examples(backbone))
        ranks = pad_ranks(RANKS["no ties"], rewards.device)
        loss = RankingLoss(TrainConfig())(rewards, ranks).mean()
    loss.backward()
    return loss.detach(), gradients(backbone.model)


def check_gradients(kind, attention="auto", device="cpu", atol=1e-5):
    """Check that loss and gradients of the shared layout equal those of the padded one."""
    shared_loss, shared = loss_and_gradients(kind, "shared", attention, device)
    padded_loss, padded = loss_and_gradients(kind, "padded", "auto", device)
    return max(close(shared_loss, padded_loss, atol), all_close(shared, padded, atol, 10 * atol))


def check_bf16_gradients(kind, attention="auto", device="cpu"):
    """Check that bf16 moves the gradient of the shared layout about as far as the padded one's.

    Return the distance from the gradient in float32, relative to its length.
    """
    exact = flat(loss_and_gradients(kind, "padded", "auto", device)[1])
    shared, padded = (
        flat(loss_and_gradients(kind, *way, device, bf16=True)[1])
        for way in (("shared", attention), ("padded", "auto"))
    )
    far, expected = (float((each - exact).norm() / exact.norm()) for each in (shared, padded))
    assert far <= 2 * expected + 0.01, f"the distance is {far:.3g}, and {expected:.3g} if padded"
    return far


def flat(tensors):
    return torch.cat([tensor.flatten() for tensor in tensors.values()])


def check_pairs(kind, ranks, config, attention="auto", device="cpu"):
    """Check, in float64, that a batch of rankings equals all their comparisons one by one."""
    grouped = in_float64(training_backbone(kind, "shared", attention, device))
    exploded = copy.deepcopy(grouped)
    examples = random_examples(grouped)
    objective = RankingLoss(config).double().to(device)
    log_nu = torch.tensor(0.0, dtype=torch.float64, device=device, requires_grad=True)

    losses = RankingLosses(grouped, objective)
    done, _ = accumulate_gradients(
        losses,
        elements_of(examples, ranks),
        Device(torch.device(device), bf16=False),
        config.tokens_per_batch,
    )
    loss = exploded_loss(exploded, examples, ranks, config, log_nu)

    assert abs(done.loss - loss) <= 1e-9
    found, expected = gradients(grouped.model), gradients(exploded.model)
    if objective.log_nu is not None:
        found["log_nu"], expected["log_nu"] = objective.log_nu.grad, log_nu.grad
    return all_close(found, expected, 1e-9, 1e-9)


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
