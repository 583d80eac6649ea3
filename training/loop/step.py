"""One optimiser step: its gradient and its update.

Shapes: N rankings, K responses.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from typing import Any

import torch
from torch.distributed.tensor import DTensor

from training.backbones.backbone import Backbone
from training.data.dataset import TokenizedRanking
from training.data.examples import IDLE
from training.data.packing import buckets, shares
from training.distributed.device import Machine
from training.distributed.processes import Processes
from training.loop.loss import RankingLoss, pad_ranks
from training.rankings import agreement
from training.runs.signals import check


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
        for field in fields(self):
            setattr(self, field.name, getattr(self, field.name) + getattr(other, field.name))
        return self

    def over(self, processes: Processes) -> Tally:
        """All processes: the sums of all of them."""
        rankings, comparisons, agreed, loss_sum, tokens = processes.total(astuple(self))
        return Tally(int(rankings), int(comparisons), agreed, loss_sum, int(tokens))

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
    """Add the gradient of the mean loss over these rankings, in however many batches.

    Of several processes, each adds that of its share of them. Raises StoppedError between batches.
    """
    done = Tally()
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
        done.rankings += len(places)
        done.loss_sum += float(losses_N.detach().sum())
        done.tokens += sum(examples[place].tokens for place in places)
        for row, row_ranks in zip(rewards_NK.tolist(), ranks, strict=True):
            found = agreement(row_ranks, row)
            done.agreed += found.agreed
            done.comparisons += found.comparisons
    while processes.another(False):
        with machine.autocast():
            rewards_NK = backbone.rewards([IDLE])
        (0 * rewards_NK.sum()).backward()
    return done


def shorten_gradients(backbone: Backbone, longest: float) -> float:
    """Gradients of the model that are longer become as long. Returns their length before that.

    The objective's own never are long.
    """
    norm = torch.nn.utils.clip_grad_norm_(backbone.model.parameters(), longest)
    return float(norm.full_tensor() if isinstance(norm, DTensor) else norm)
