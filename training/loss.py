"""The ranking loss.

Shapes: N rankings, K responses of the longest ranking (shorter ones are padded with rank 0).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.config import TrainConfig


class RankingLoss(nn.Module):
    """What a run makes small: the loss of each ranking, as the settings say."""

    def __init__(self, config: TrainConfig) -> None:
        super().__init__()
        self.ties = config.ties

    def forward(self, rewards_NK: Tensor, ranks_NK: Tensor) -> Tensor:
        """The loss of each ranking (N,), in the precision of the rewards, at least float32.

        -mean over the ranking's comparisons of log sigmoid(r_better - r_worse): InstructGPT,
        arXiv 2203.02155, equation 1. With `ties="half"` a tied pair is a comparison with a soft
        label of one half. A ranking without a comparison has loss 0; it is left out of the mean
        over rankings.

        Args:
            rewards_NK: one reward a response; what stands in padded places has no effect.
            ranks_NK: 1 = best, tied responses share a rank, 0 = no response here.
        """
        present_NK = ranks_NK > 0
        rewards_NK = rewards_NK.to(torch.promote_types(rewards_NK.dtype, torch.float32))
        rewards_NK = torch.where(present_NK, rewards_NK, 0.0)
        # Entry [n, i, j] compares response i with response j.
        margins_NKK = rewards_NK[:, :, None] - rewards_NK[:, None, :]
        both_NKK = present_NK[:, :, None] & present_NK[:, None, :]
        better_NKK = both_NKK & (ranks_NK[:, :, None] < ranks_NK[:, None, :])
        weights_NKK = better_NKK.to(rewards_NK.dtype)
        if self.ties == "half":
            weights_NKK = weights_NKK + _tied_weights(ranks_NK, both_NKK, better_NKK)
        losses_N = -(weights_NKK * F.logsigmoid(margins_NKK)).sum(dim=(1, 2))
        return losses_N / weights_NKK.sum(dim=(1, 2)).clamp_min(1.0)


def _tied_weights(ranks_NK: Tensor, both_NKK: Tensor, better_NKK: Tensor) -> Tensor:
    """One half for [i, j] and for [j, i] of a tied pair: together the one comparison that it is."""
    tied_NKK = both_NKK & (ranks_NK[:, :, None] == ranks_NK[:, None, :])
    itself_KK = torch.eye(ranks_NK.shape[1], dtype=torch.bool, device=ranks_NK.device)
    has_comparison_N11 = better_NKK.any(dim=(1, 2))[:, None, None]
    return 0.5 * (tied_NKK & ~itself_KK & has_comparison_N11)


def pad_ranks(ranks: list[tuple[int, ...]], device: torch.device | str = "cpu") -> Tensor:
    """Ranks of N rankings as one tensor (N, K), 0 where a ranking has fewer than K responses."""
    longest = max(len(row) for row in ranks)
    return torch.tensor([[*row, *[0] * (longest - len(row))] for row in ranks], device=device)
