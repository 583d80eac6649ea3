"""Rewards by the rank that people gave, and by the length of the response."""

from collections.abc import Callable

import numpy as np

from labelapp.reviewing.records import ScoredPrompt
from labelapp.reviewing.resampling import Floats, Integers, group_means, statistic
from labelapp.reviewing.results import LengthPoint, LengthRewards, RankRewards
from training.rankings import UNRANKED

POINTS = 240  # of the plot; about as many as can be told apart


class RewardRecorder:
    """Collects rewards with ranks and lengths, prompt by prompt."""

    def __init__(self) -> None:
        self.by_rank: list[tuple[int, int, float]] = []  # prompt, rank, reward
        self.by_length: list[tuple[int, int, float]] = []  # prompt, words, reward

    def record(self, prompt: ScoredPrompt) -> None:
        key = prompt.prompt
        for response in prompt.responses.values():
            self.by_length.append((key, response.words, response.reward))
        for ranking in prompt.own:
            for pk, rank in zip(ranking.responses, ranking.ranks, strict=True):
                if rank != UNRANKED:
                    self.by_rank.append((key, rank, prompt.responses[pk].reward))

    def rank_rewards(self, mean_reward: float) -> list[RankRewards]:
        """Return the rewards of each rank, less `mean_reward`."""
        if not self.by_rank:
            return []
        prompt_N, rank_N, reward_N = columns(self.by_rank)
        reward_N = reward_N - mean_reward
        ranks, group_N = np.unique(rank_N, return_inverse=True)
        means = group_means(prompt_N, group_N, reward_N, len(ranks))
        found = []
        for place, (rank, mean) in enumerate(zip(ranks.tolist(), means, strict=True)):
            values = reward_N[group_N == place]
            lower, upper = np.percentile(values, [25, 75]).tolist()
            found.append(RankRewards(rank, len(values), mean, lower, upper))
        return found

    def length_rewards(self, mean_reward: float) -> LengthRewards:
        """Return the rewards by length, less `mean_reward`."""
        if not self.by_length:
            return LengthRewards(0, None, None, [])
        prompt_N, words_N, reward_N = columns(self.by_length)
        reward_N = reward_N - mean_reward
        _, codes = np.unique(prompt_N, return_inverse=True)
        stride = -(-len(words_N) // POINTS)
        return LengthRewards(
            responses=len(words_N),
            correlation=statistic(prompt_N, correlation(words_N.astype(float), reward_N)),
            within=statistic(
                prompt_N,
                correlation(centred(words_N.astype(float), codes), centred(reward_N, codes)),
            ),
            points=[
                LengthPoint(int(words), round(float(reward), 4), int(prompt))
                for words, reward, prompt in zip(
                    words_N[::stride], reward_N[::stride], prompt_N[::stride], strict=True
                )
            ],
        )


def columns(rows: list[tuple[int, int, float]]) -> tuple[Integers, Integers, Floats]:
    first, second, third = zip(*rows, strict=True)
    return np.array(first), np.array(second), np.array(third, dtype=float)


def centred(value_N: Floats, codes_N: Integers) -> Floats:
    """Return values less the mean of their prompt."""
    means = np.bincount(codes_N, weights=value_N) / np.bincount(codes_N)
    return np.asarray(value_N - means[codes_N])


def correlation(first_N: Floats, second_N: Floats) -> Callable[[Floats], float]:
    """Return the function from weights of the rows to Pearson's correlation of two columns."""

    def find(weight_N: Floats) -> float:
        total = weight_N.sum()
        x_N = first_N - (weight_N @ first_N) / total
        y_N = second_N - (weight_N @ second_N) / total
        size = float(np.sqrt((weight_N @ x_N**2) * (weight_N @ y_N**2)))
        return float(weight_N @ (x_N * y_N)) / size if size > 0 else float("nan")

    return find
