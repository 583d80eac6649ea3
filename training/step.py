"""One optimiser step: its gradient and its update.

Shapes: N rankings, K responses.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch

from training.backbones.backbone import Backbone
from training.config import TrainConfig
from training.dataset import TokenizedRanking
from training.layout import buckets
from training.loss import RankingLoss, pad_ranks
from training.machine import Machine
from training.optimizers import Optimizers
from training.pairs import agreement


@dataclass(slots=True)
class Tally:
    """Sums over rankings as they were learned from, each before the update that it caused."""

    rankings: int = 0
    """With shuffled batching, every comparison is a ranking of two."""
    comparisons: int = 0
    agreed: float = 0.0
    loss_sum: float = 0.0
    tokens: int = 0

    def __iadd__(self, other: Tally) -> Tally:
        for name, value in asdict(other).items():
            setattr(self, name, getattr(self, name) + value)
        return self

    @property
    def loss(self) -> float:
        return self.loss_sum / self.rankings

    @property
    def accuracy(self) -> float:
        return self.agreed / self.comparisons if self.comparisons else math.nan

    def metrics(self, prompts: int) -> dict[str, Any]:
        return {
            "prompts": prompts,
            "rankings": self.rankings,
            "comparisons": self.comparisons,
            "loss": self.loss,
            "accuracy": self.accuracy,
        }


def backward(
    backbone: Backbone,
    objective: RankingLoss,
    rankings: Sequence[TokenizedRanking],
    machine: Machine,
    tokens_per_batch: int,
) -> Tally:
    """Add the gradient of the mean loss over these rankings, in however many batches."""
    done = Tally()
    examples = [ranking.example() for ranking in rankings]
    for bucket in buckets(examples, backbone.size, tokens_per_batch):
        ranks = [rankings[place].ranks for place in bucket]
        with machine.autocast():
            rewards_NK = backbone.rewards([examples[place] for place in bucket])
        losses_N = objective(rewards_NK, pad_ranks(ranks, rewards_NK.device))
        (losses_N.sum() / len(rankings)).backward()
        done.rankings += len(bucket)
        done.loss_sum += float(losses_N.detach().sum())
        done.tokens += sum(examples[place].tokens for place in bucket)
        for row, row_ranks in zip(rewards_NK.tolist(), ranks, strict=True):
            found = agreement(row_ranks, row)
            done.agreed += found.agreed
            done.comparisons += found.comparisons
    return done


def update(
    backbone: Backbone, optimizer: Optimizers, learning_rate: float, config: TrainConfig
) -> bool:
    """Let the gradient change the weights. False, and no weight is touched, if it is not finite.

    Gradients of the model that are too long are shortened; the objective's own never are long.
    """
    norm = torch.nn.utils.clip_grad_norm_(backbone.model.parameters(), config.max_grad_norm)
    finite = bool(torch.isfinite(norm))
    if finite:
        optimizer.step(learning_rate)
    optimizer.zero_grad()
    return finite
