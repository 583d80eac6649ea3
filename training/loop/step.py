"""One optimiser step: accumulate the gradient, clip it, and update the weights.

Shapes: N rankings, K responses.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import nn
from torch.distributed.tensor import DTensor

from training.backbones.backbone import Backbone
from training.config import TrainConfig
from training.data.dataset import TokenizedRanking
from training.data.examples import IDLE
from training.data.packing import buckets, shares
from training.distributed.device import Machine
from training.errors import UserError
from training.loop.loss import RankingLoss, pad_ranks
from training.loop.optimizers import Optimizers, make_optimizer
from training.loop.state import StepStats, TrainState
from training.rankings import agreement
from training.runs.signals import check


@dataclass(frozen=True, slots=True)
class Learner:
    """Hold a model on its device, with the objective and the optimiser that train it."""

    backbone: Backbone
    objective: RankingLoss
    optimizer: Optimizers
    machine: Machine

    @classmethod
    def create(cls, backbone: Backbone, config: TrainConfig, machine: Machine) -> Learner:
        """Add to a model the objective and the optimiser that the settings ask for."""
        objective = RankingLoss(config).to(machine.device)
        return cls(backbone, objective, make_optimizer(backbone, objective, config), machine)

    @property
    def modules(self) -> dict[str, nn.Module]:
        """Return the modules with weights, by their names in a checkpoint."""
        return {"model": self.backbone.model, "objective": self.objective}


def train_step(
    learner: Learner,
    rankings: Sequence[TokenizedRanking],
    state: TrainState,
    learning_rate: float,
    max_grad_norm: float,
    say: Callable[[str], None],
) -> StepStats:
    """Update the weights on these rankings and return the statistics of the step.

    Raises UserError where the loss or the gradient norm is not a number. All processes call this.
    """
    processes = learner.machine.processes
    stats = state.with_oom_backoff(
        partial(
            accumulate_gradients, learner.backbone, learner.objective, rankings, learner.machine
        ),
        say,
        before_retry=learner.optimizer.zero_grad,
        processes=processes,
    ).over(processes)
    processes.sum_gradients(learner.objective.parameters())
    if not processes.sharded:
        processes.sum_gradients(learner.backbone.model.parameters())
    norm = clip_grad_norm(learner.backbone, max_grad_norm)
    if not math.isfinite(stats.loss) or not math.isfinite(norm):
        raise UserError(
            f"the loss is not a number at step {state.step + 1};"
            " lower --learning-rate, or use --precision float32"
        )
    learner.optimizer.step(learning_rate)
    learner.optimizer.zero_grad()
    return stats


def accumulate_gradients(
    backbone: Backbone,
    objective: RankingLoss,
    rankings: Sequence[TokenizedRanking],
    machine: Machine,
    tokens_per_batch: int,
) -> StepStats:
    """Add the gradient of the mean loss over these rankings, in as many batches as it takes.

    Each of several processes adds the gradient of its share of the rankings. Raises StoppedError
    between batches.
    """
    stats = StepStats()
    processes = machine.processes
    examples = [ranking.example() for ranking in rankings]
    mine = shares(examples, backbone.size, processes.count)[processes.rank]
    for bucket in buckets([examples[place] for place in mine], backbone.size, tokens_per_batch):
        processes.another(True)
        if not processes.sharded:  # else the others would wait for this one's share of the weights
            check()
        places = [mine[place] for place in bucket]
        ranks = [rankings[place].ranks for place in places]
        with machine.autocast():
            rewards_NK = backbone.rewards([examples[place] for place in places])
        losses_N = objective(rewards_NK, pad_ranks(ranks, rewards_NK.device))
        (losses_N.sum() / len(rankings)).backward()
        stats.rankings += len(places)
        stats.loss_sum += float(losses_N.detach().sum())
        stats.tokens += sum(examples[place].tokens for place in places)
        for row, row_ranks in zip(rewards_NK.tolist(), ranks, strict=True):
            found = agreement(row_ranks, row)
            stats.agreed += found.agreed
            stats.comparisons += found.comparisons
    while processes.another(False):
        with machine.autocast():
            rewards_NK = backbone.rewards([IDLE])
        (0 * rewards_NK.sum()).backward()
    return stats


def clip_grad_norm(backbone: Backbone, max_norm: float) -> float:
    """Scale the model's gradients down to a norm of `max_norm`, and return their norm before that.

    The objective's own gradients are left as they are: they are never large.
    """
    norm = torch.nn.utils.clip_grad_norm_(backbone.model.parameters(), max_norm)
    return float(norm.full_tensor() if isinstance(norm, DTensor) else norm)
