"""The loss of a ranking.

Shapes: N rankings, K responses of the longest ranking (shorter ones are padded with rank 0). Entry
[n, i, j] compares response i with response j.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.config import TrainConfig
from training.rankings import UNRANKED


class RankingLoss(nn.Module):
    """Compute the loss of each ranking as the settings define it (docs/training.md).

    With `ties="davidson"` it has a learned parameter of its own, the logarithm of nu.
    """

    log_nu: nn.Parameter | None

    def __init__(self, config: TrainConfig) -> None:
        super().__init__()
        self.loss = config.loss
        self.ties = config.ties
        self.margin = config.margin
        self.label_smoothing = config.label_smoothing
        self.reward_centering = config.reward_centering
        # An all-tied ranking teaches nothing, but with shuffled batching a tied pair does.
        self.tied_alone_counts = config.batching == "shuffled"
        self.log_nu = nn.Parameter(torch.zeros(())) if self.ties == "davidson" else None

    def forward(
        self, rewards_NK: Tensor, ranks_NK: Tensor, groups_NK: Tensor | None = None
    ) -> Tensor:
        """Return the training losses (N,), in the precision of the rewards, at least float32.

        A ranking without a comparison has loss 0.

        Args:
            rewards_NK: one reward a response; what stands in padded places has no effect.
            ranks_NK: 1 = best, tied responses share a rank, UNRANKED = below the others and not
                compared with each other, 0 = no response here.
            groups_NK: responses that share a number are not compared; without it all differ.
        """
        rewards_NK = _prepared(rewards_NK, ranks_NK)
        differ_NKK = _differ(ranks_NK, groups_NK)
        if self.loss == "plackett-luce":
            totals_N, weights_N = plackett_luce(rewards_NK, ranks_NK, differ_NKK)
        else:
            totals_N, weights_N = self._comparisons(
                rewards_NK, ranks_NK, differ_NKK, self.margin, self.label_smoothing
            )
        means_N = rewards_NK.sum(dim=1) / (ranks_NK > 0).sum(dim=1)
        centering_N = self.reward_centering * means_N**2 * (weights_N > 0)
        return totals_N / weights_N.clamp_min(1) + centering_N

    def evaluation_loss(
        self, rewards_NK: Tensor, ranks_NK: Tensor, groups_NK: Tensor | None = None
    ) -> Tensor:
        """Return the evaluation losses (N,): the log loss of the comparisons alone.

        There is no margin, label smoothing or reward centering, and comparisons count even where
        the model is trained on the order as a whole. Runs with the same `ties` can be compared.
        """
        rewards_NK = _prepared(rewards_NK, ranks_NK)
        differ_NKK = _differ(ranks_NK, groups_NK)
        totals_N, weights_N = self._comparisons(rewards_NK, ranks_NK, differ_NKK, 0.0, 0.0)
        return totals_N / weights_N.clamp_min(1)

    def figures(self) -> dict[str, float]:
        """Return the learned parameters of the loss itself, by name."""
        return {} if self.log_nu is None else {"davidson_nu": math.exp(self.log_nu.item())}

    def _comparisons(
        self,
        rewards_NK: Tensor,
        ranks_NK: Tensor,
        differ_NKK: Tensor,
        margin: float,
        smoothing: float,
    ) -> tuple[Tensor, Tensor]:
        """Return minus the log-likelihood (N,) and the number (N,) of each ranking's comparisons.

        Bradley-Terry; the mean over comparisons is InstructGPT's, arXiv 2203.02155, equation 1.
        """
        present_NK = ranks_NK > 0
        both_NKK = present_NK[:, :, None] & present_NK[:, None, :] & differ_NKK
        is_ranked_NK = ranks_NK != UNRANKED
        last_N1 = (ranks_NK * is_ranked_NK).amax(dim=1, keepdim=True)
        ranks_NK = torch.where(is_ranked_NK, ranks_NK, last_N1 + 1)
        gaps_NKK = ranks_NK[:, None, :] - ranks_NK[:, :, None]
        better_NKK = both_NKK & (gaps_NKK > 0)
        leads_NKK = rewards_NK[:, :, None] - rewards_NK[:, None, :]
        if margin:
            leads_NKK = leads_NKK - margin * gaps_NKK.to(leads_NKK.dtype)
        likely_NKK = (1 - smoothing) * self._log_win(leads_NKK)
        if smoothing:
            likely_NKK = likely_NKK + smoothing * self._log_win(-leads_NKK)
        totals_N = -(better_NKK * likely_NKK).sum(dim=(1, 2))
        counts_N = better_NKK.sum(dim=(1, 2))
        if self.ties != "drop":
            tied_NKK = (both_NKK & (gaps_NKK == 0) & is_ranked_NK[:, :, None]).triu(1)
            if not self.tied_alone_counts:
                tied_NKK = tied_NKK & (counts_N > 0)[:, None, None]
            totals_N = totals_N - (tied_NKK * self._log_tie(leads_NKK)).sum(dim=(1, 2))
            counts_N = counts_N + tied_NKK.sum(dim=(1, 2))
        return totals_N, counts_N

    def _log_win(self, leads: Tensor) -> Tensor:
        """Return the log-probability that i beats j, given r_i - r_j.

        Davidson 1970, Journal of the American Statistical Association 65 (329), pages 317-328:
        e^r_i / (e^r_i + e^r_j + nu e^((r_i + r_j)/2)), which is 1 / (1 + e^-lead + nu e^(-lead/2)).
        """
        if self.log_nu is None:
            return F.logsigmoid(leads)
        return F.logsigmoid(-torch.logaddexp(-leads, self.log_nu - leads / 2))

    def _log_tie(self, leads: Tensor) -> Tensor:
        """Return the log-probability of a tie; with `half`, the mean of both possible outcomes.

        Davidson's is 1 / (1 + (e^(lead/2) + e^(-lead/2)) / nu).
        """
        if self.log_nu is None:
            return (F.logsigmoid(leads) + F.logsigmoid(-leads)) / 2
        return F.logsigmoid(self.log_nu - torch.logaddexp(leads / 2, -leads / 2))


def plackett_luce(
    rewards_NK: Tensor, ranks_NK: Tensor, differ_NKK: Tensor
) -> tuple[Tensor, Tensor]:
    """Return minus the log-likelihood (N,) of each ranking's order, and its weight (N,).

    Luce 1959, Plackett 1975: a response is chosen from itself and all worse ones with probability
    proportional to e^reward, one stage after the other. Tied responses are chosen each on its own:
    none is compared with the other, nor are responses that do not differ (False in `differ_NKK`).
    Unranked responses are only chosen from: this is the likelihood of the first choices.

    The weight of a choice among m is log2(m). Divided by it, a ranking at equal rewards costs log 2
    whatever its length, as the mean over comparisons does; a ranking of two is Bradley-Terry.
    """
    worse_NKK = ranks_NK[:, None, :] > ranks_NK[:, :, None]
    worse_NKK = worse_NKK & (ranks_NK > 0)[:, :, None] & differ_NKK
    itself_KK = torch.eye(ranks_NK.shape[1], dtype=torch.bool, device=ranks_NK.device)
    # The worst response is chosen from itself alone, which adds 0 without a special case.
    chosen_from_NKK = worse_NKK | itself_KK
    behind_NKK = rewards_NK[:, None, :] - rewards_NK[:, :, None]
    totals_N = behind_NKK.masked_fill(~chosen_from_NKK, -math.inf).logsumexp(dim=2).sum(dim=1)
    weights_N = chosen_from_NKK.sum(dim=2).to(rewards_NK.dtype).log2().sum(dim=1)
    return totals_N, weights_N


def _prepared(rewards_NK: Tensor, ranks_NK: Tensor) -> Tensor:
    """Return the rewards in float32 or better, with 0 where there is no response."""
    rewards_NK = rewards_NK.to(torch.promote_types(rewards_NK.dtype, torch.float32))
    return torch.where(ranks_NK > 0, rewards_NK, 0.0)


def _differ(ranks_NK: Tensor, groups_NK: Tensor | None) -> Tensor:
    """Return False (N, K, K) for responses that share a group, and True for all others."""
    if groups_NK is None:
        return torch.ones((), dtype=torch.bool, device=ranks_NK.device)
    return groups_NK[:, :, None] != groups_NK[:, None, :]


def pad_groups(groups: Sequence[tuple[int, ...]], ranks_NK: Tensor) -> Tensor | None:
    """Return the groups of N rankings as one tensor (N, K), or None where all responses differ."""
    if not any(groups):
        return None
    N, K = ranks_NK.shape
    groups_NK = torch.arange(K).repeat(N, 1)
    for row_K, numbers in zip(groups_NK, groups, strict=True):
        row_K[: len(numbers)] = torch.tensor(numbers, dtype=row_K.dtype)
    return groups_NK.to(ranks_NK.device)


def pad_ranks(ranks: list[tuple[int, ...]], device: torch.device | str = "cpu") -> Tensor:
    """Return the ranks of N rankings as one tensor (N, K), 0 where one has fewer responses."""
    longest = max(len(row) for row in ranks)
    return torch.tensor([[*row, *[0] * (longest - len(row))] for row in ranks], device=device)
