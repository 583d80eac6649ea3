"""How well a model's rewards agree with people on prompts that it has not learned from.

Shapes: N rankings, K responses, S bootstrap samples, Q prompts.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from training.backbones.backbone import Backbone
from training.config import TrainConfig
from training.dataset import Dataset, TokenizedPrompt, TokenizedRanking
from training.inference import compute_rewards
from training.layout import Example
from training.loss import RankingLoss, pad_ranks
from training.machine import Machine
from training.pairs import agreement

BOOTSTRAP_SAMPLES = 2000
BOOTSTRAP_SEED = 0
FEWEST_PROMPTS = 5
"""With fewer, an interval over prompts would claim to know what it cannot."""
LONGEST_SHOWN = 1500
"""Characters of a text that are shown in TensorBoard."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The model's rewards for the held-out prompts, and what they are worth."""

    rewards: dict[str, list[float]]
    """By prompt hash, in the order of the prompt's responses."""
    table: pd.DataFrame
    """One row a ranking: prompt, labeller, comparisons, agreed, longer, loss."""

    @property
    def loss(self) -> float:
        return float(self.table["loss"].mean())

    @property
    def accuracy(self) -> float:
        return float(self.table["agreed"].sum() / self.table["comparisons"].sum())


def evaluate(
    backbone: Backbone,
    objective: RankingLoss,
    dataset: Dataset,
    config: TrainConfig,
    machine: Machine,
    tick: Callable[[int], None],
) -> Verdict:
    """Score each held-out prompt's responses once, and hold them against every ranking of them."""
    examples = (Example(prompt.tokens, prompt.responses) for prompt in dataset.held_out_prompts())
    was_training = backbone.model.training
    backbone.model.eval()
    scored = compute_rewards(backbone, examples, machine, config.tokens_per_batch, tick)
    hashes = (prompt.content_hash for prompt in dataset.held_out_prompts())
    rewards = dict(zip(hashes, scored, strict=True))
    backbone.model.train(was_training)
    return Verdict(rewards, ranking_table(dataset.held_out, rewards, objective))


def ranking_table(
    rankings: Sequence[TokenizedRanking], rewards: dict[str, list[float]], objective: RankingLoss
) -> pd.DataFrame:
    """One row a ranking: how many comparisons, how many agreed with the rewards, and the loss.

    "longer" counts the comparisons that "the longer text is better" gets right, equal lengths half.
    """
    rows = []
    rewards_of = [
        [rewards[ranking.prompt.content_hash][place] for place in ranking.places]
        for ranking in rankings
    ]
    for ranking, row in zip(rankings, rewards_of, strict=True):
        found = agreement(ranking.ranks, row)
        lengths = [ranking.prompt.characters[place] for place in ranking.places]
        rows.append(
            {
                "prompt": ranking.prompt.content_hash,
                "labeller": ranking.labeller,
                "comparisons": found.comparisons,
                "agreed": found.agreed,
                "longer": agreement(ranking.ranks, lengths).agreed,
            }
        )
    ranks_NK = pad_ranks([ranking.ranks for ranking in rankings])
    K = ranks_NK.shape[1]
    rewards_NK = torch.tensor([[*row, *[0.0] * (K - len(row))] for row in rewards_of])
    with torch.no_grad():
        losses_N = objective.plain(rewards_NK, ranks_NK)
    return pd.DataFrame(rows).assign(loss=losses_N.numpy())


def held_out_metrics(verdict: Verdict) -> dict[str, Any]:
    """What metrics.json says of the held-out side."""
    table = verdict.table
    low, high = bootstrap(rate, by_prompt(table))
    rewards = np.array([reward for row in verdict.rewards.values() for reward in row])
    return {
        "prompts": int(table["prompt"].nunique()),
        "rankings": len(table),
        "comparisons": int(table["comparisons"].sum()),
        "loss": verdict.loss,
        "accuracy": verdict.accuracy,
        "accuracy_low": low,
        "accuracy_high": high,
        "longer_wins": float(table["longer"].sum() / table["comparisons"].sum()),
        "reward_mean": float(rewards.mean()),
        "reward_std": float(rewards.std()),
    }


def by_prompt(table: pd.DataFrame) -> pd.DataFrame:
    """Sums of agreed and comparisons, a row a prompt."""
    return table.groupby("prompt")[["agreed", "comparisons"]].sum().sort_index()


def judgements(verdict: Verdict) -> Iterator[tuple[str, float, int]]:
    """(hash, agreed, comparisons) of each held-out prompt."""
    for name, (agreed, comparisons) in by_prompt(verdict.table).iterrows():
        yield str(name), float(agreed), int(comparisons)


def rate(sums_S2: NDArray[np.float64]) -> NDArray[np.float64]:
    """Accuracies (S,) of sums of what was agreed with and of comparisons."""
    accuracies_S: NDArray[np.float64] = sums_S2[:, 0] / sums_S2[:, 1]
    return accuracies_S


def bootstrap(
    statistic: Callable[..., NDArray[np.float64]], *counts: pd.DataFrame
) -> tuple[float, float]:
    """95 % interval of a statistic of sums over prompts: one prompt's rankings are not independent.

    Each table of counts has a row a prompt. Every sample draws the same prompts of all of them,
    those that all have. NaN, NaN with fewer than FEWEST_PROMPTS prompts.

    The percentile method, Efron and Tibshirani 1993, section 13.3.
    """
    shared = pd.concat(counts, axis=1, join="inner").to_numpy(dtype=float)
    if len(shared) < FEWEST_PROMPTS:
        return math.nan, math.nan
    random = np.random.default_rng(BOOTSTRAP_SEED)
    # A sample at a time: all at once they would take gigabytes where many prompts are held out.
    drawn = (random.integers(len(shared), size=len(shared)) for _ in range(BOOTSTRAP_SAMPLES))
    sums_SC = np.array([shared[places_Q].sum(axis=0) for places_Q in drawn])
    low, high = np.percentile(statistic(*np.split(sums_SC, len(counts), axis=1)), [2.5, 97.5])
    return float(low), float(high)


def texts_table(
    prompt: TokenizedPrompt, rewards: Sequence[float], rankings: Sequence[TokenizedRanking]
) -> str:
    """A held-out prompt and its responses, best reward first, as Markdown for TensorBoard."""
    lines = [
        f"**{escape(message['role'])}:** {escape(message['content'])}\n"
        for message in prompt.messages or []
    ]
    lines += ["| reward | human ranks | response |", "|---:|---|---|"]
    order = sorted(range(len(rewards)), key=lambda place: -rewards[place])
    for place in order:
        ranks = [
            str(ranking.ranks[ranking.places.index(place)])
            for ranking in rankings
            if ranking.prompt is prompt and place in ranking.places
        ]
        text = escape(prompt.texts[place])
        lines.append(f"| {rewards[place]:.3f} | {', '.join(ranks)} | {text} |")
    return "\n".join(lines)


def escape(text: str) -> str:
    """Text that neither Markdown nor HTML finds anything in. Texts are hostile, and may be long."""
    shown = text if len(text) <= LONGEST_SHOWN else text[:LONGEST_SHOWN] + "…"
    shown = re.sub(r"[^\w\s]|_", lambda sign: f"&#{ord(sign.group())};", shown)
    return re.sub(r"\s*\n\s*", "<br>", shown.strip())
