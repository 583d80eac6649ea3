"""One optimiser step: accumulate the gradient, clip it, and update the weights.

Shapes: N elements, M rankings, K responses.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from torch.nn.parallel import DistributedDataParallel

from training.backbones.backbone import Backbone
from training.config import TrainConfig
from training.data.dataset import Element
from training.data.examples import IDLE, IDLE_RANKS, Example
from training.data.packing import buckets, shares
from training.distributed.device import Device
from training.errors import UserError
from training.loop.loss import RankingLoss, pad_groups, pad_ranks
from training.loop.optimizers import Optimizers, make_optimizer
from training.loop.state import StepStats, TrainState
from training.rankings import agreement
from training.runs.signals import check
from training.sentences import sentence


class RankingLosses(nn.Module):
    """Compute rewards and losses with a model and its objective as one module, which DDP wraps."""

    def __init__(self, backbone: Backbone, objective: RankingLoss) -> None:
        super().__init__()
        self.backbone = backbone
        self.model = backbone.model  # registers its weights
        self.objective = objective

    def forward(
        self,
        examples: Sequence[Example],
        ranks: Sequence[Sequence[tuple[int, ...]]],
        groups: Sequence[tuple[int, ...]] = (),
    ) -> tuple[Tensor, Tensor]:
        """Return the rewards (N, K), and each ranking's part of the loss of its example (M,).

        The loss of an example is the mean over its rankings. `ranks` has a sequence of rankings for
        each example, and `groups` has those of all of them, one after another.
        """
        rewards_NK = self.backbone.rewards(examples)
        counts = [len(rows) for rows in ranks]
        example_M = [number for number, count in enumerate(counts) for _ in range(count)]
        rewards_MK = rewards_NK[example_M]
        ranks_MK = pad_ranks([row for rows in ranks for row in rows], rewards_NK.device)
        losses_M = self.objective(rewards_MK, ranks_MK, pad_groups(groups, ranks_MK))
        share_M = torch.tensor([counts[number] for number in example_M], device=losses_M.device)
        return rewards_NK, losses_M / share_M


@dataclass(frozen=True, slots=True)
class Learner:
    """Hold a model on its device, with the objective and the optimiser that train it."""

    backbone: Backbone
    objective: RankingLoss
    optimizer: Optimizers
    device: Device
    losses: nn.Module
    """RankingLosses, or DistributedDataParallel around it."""

    @classmethod
    def create(cls, backbone: Backbone, config: TrainConfig, device: Device) -> Learner:
        """Add to a model the objective and the optimiser that the settings ask for.

        All processes call this: each gets the weights of the first one.
        """
        objective = RankingLoss(config).to(device.torch_device)
        optimizer = make_optimizer(backbone, objective, config)
        losses = RankingLosses(backbone, objective)
        return cls(backbone, objective, optimizer, device, replicate(losses, device))

    def after_training(self) -> Learner:
        """Return the learner without DistributedDataParallel, which must not outlive the group.

        If it held the last reference to the group, it would end the group's threads while holding
        the interpreter's lock, for which one of them may be waiting.
        """
        return replace(self, losses=getattr(self.losses, "module", self.losses))

    @property
    def has_weights(self) -> bool:
        """Return True if any weight of the model or of the objective is to be trained."""
        return any(weight.requires_grad for weight in self.losses.parameters())

    @property
    def modules(self) -> dict[str, nn.Module]:
        """Return the modules with weights, by their names in a checkpoint."""
        return {"model": self.backbone.model, "objective": self.objective}


def replicate(losses: RankingLosses, device: Device) -> nn.Module:
    """Wrap the module in DistributedDataParallel if each process has a copy of the model."""
    if not device.group.replicated:
        return losses
    copies = DistributedDataParallel(losses, find_unused_parameters=has_unused_weights(losses))
    # Buffers are sent once, by the constructor. Later, a process with a batch would send them while
    # one without a batch waits for something else. The argument of the constructor is deprecated
    # from torch 2.13 on.
    copies.broadcast_buffers = False
    # DistributedDataParallel rebuilds its buckets in the forward pass after the first backward
    # pass, and the processes agree on them. Two empty passes do that here, where all processes
    # compute the same.
    for _ in range(2):
        add_gradient(copies, [], 1, device)
    copies.zero_grad()
    return copies


def has_unused_weights(losses: RankingLosses) -> bool:
    """Return whether some weights do not affect the loss, such as unused heads of encoders."""
    weights = [weight for weight in losses.parameters() if weight.requires_grad]
    _, losses_M = losses([IDLE], [[IDLE_RANKS]])
    gradients = torch.autograd.grad(losses_M.sum(), weights, allow_unused=True)
    return any(gradient is None for gradient in gradients)


def train_step(
    learner: Learner,
    elements: Sequence[Element],
    state: TrainState,
    learning_rate: float,
    max_grad_norm: float,
    say: Callable[[str], None],
) -> tuple[StepStats, float]:
    """Update the weights on these elements; return the step's statistics and its gradient norm.

    The norm is that before clipping.

    Raises UserError where the loss or the gradient norm is not a number. All processes call this.
    """
    group = learner.device.group
    stats, last = state.with_oom_backoff(
        partial(accumulate_gradients, learner.losses, elements, learner.device),
        say,
        before_retry=learner.optimizer.zero_grad,
        group=group,
    )
    if group.replicated:
        stats += add_gradient(learner.losses, last, len(elements), learner.device)
    elif group.sharded:
        group.sum_gradients(learner.objective.parameters())
    stats = stats.over(group)
    norm = clip_grad_norm(learner.backbone, max_grad_norm)
    if not math.isfinite(stats.loss) or not math.isfinite(norm):
        raise UserError(
            sentence(
                "the loss is not a number at step %(step)s;"
                " lower --learning-rate, or use --precision float32",
                step=str(state.step + 1),
            )
        )
    learner.optimizer.step(learning_rate)
    learner.optimizer.zero_grad()
    return stats, norm


def accumulate_gradients(
    losses: nn.Module,
    elements: Sequence[Element],
    device: Device,
    tokens_per_batch: int,
) -> tuple[StepStats, list[Element]]:
    """Add the gradient of the mean loss over these elements, in as many batches as it takes.

    Each of several processes adds the gradient of its share of the elements. With a copy of the
    model in each, the gradients stay apart until the one batch that is left to the caller, or to
    an idle one where there is none: a process that runs out of memory can retry only before that.
    What is left is the last of several batches, if it is no larger than one that did fit.
    Return the statistics and the elements of the batch that is left. Raises StoppedError between
    batches.
    """
    stats = StepStats()
    group = device.group
    backbone = cast(RankingLosses, getattr(losses, "module", losses)).backbone
    examples = [element.example() for element in elements]
    mine = shares(examples, backbone.size, group.count)[group.rank]
    batches = [
        [elements[mine[place]] for place in bucket]
        for bucket in buckets([examples[place] for place in mine], backbone.size, tokens_per_batch)
    ]
    sizes = [backbone.size([element.example() for element in batch]) for batch in batches]
    fits = len(sizes) > 1 and sizes[-1] <= max(sizes[:-1])
    last = batches.pop() if group.replicated and fits else []
    with losses.no_sync() if isinstance(losses, DistributedDataParallel) else nullcontext():
        for batch in batches:
            group.should_compute(True)
            if not group.sharded:  # else the others would wait for this one's share of weights
                check()
            stats += add_gradient(losses, batch, len(elements), device)
        while group.should_compute(False):
            add_gradient(losses, [], len(elements), device)
    return stats, last


def add_gradient(
    losses: nn.Module, batch: Sequence[Element], count: int, device: Device
) -> StepStats:
    """Add a batch's part of the gradient of the mean loss over `count` elements.

    An empty batch adds nothing, but computes along with other processes.
    """
    examples = [element.example() for element in batch] or [IDLE]
    placed = [
        [ranking.in_order(element.places) for ranking in element.rankings] for element in batch
    ]
    ranks = [[ranks for ranks, _ in rows] for rows in placed] or [[IDLE_RANKS]]
    groups = [groups for rows in placed for _, groups in rows]
    with device.autocast():
        rewards_NK, losses_M = losses(examples, ranks, groups)
    # DistributedDataParallel divides the sum of all gradients by the number of processes.
    copies = device.group.count if device.group.replicated else 1
    (losses_M.sum() * (copies / count if batch else 0.0)).backward()
    if not batch:
        return StepStats()
    stats = StepStats(
        elements=len(batch),
        rankings=len(losses_M),
        loss_sum=float(losses_M.detach().sum()),
        tokens=sum(example.tokens for example in examples),
    )
    for element, row in zip(batch, rewards_NK.tolist(), strict=True):
        rewards = dict(zip(element.places, row, strict=False))
        for ranking in element.rankings:
            scores = [rewards[place] for place in ranking.places]
            found = agreement(ranking.ranks, scores, ranking.groups)
            stats.agreed += found.agreed
            stats.comparisons += found.comparisons
    return stats


def clip_grad_norm(backbone: Backbone, max_norm: float) -> float:
    """Scale the model's gradients down to a norm of `max_norm`, and return their norm before that.

    The objective's own gradients are left as they are: they are never large.
    """
    norm = torch.nn.utils.clip_grad_norm_(backbone.model.parameters(), max_norm)
    return float(norm.full_tensor() if isinstance(norm, DTensor) else norm)
