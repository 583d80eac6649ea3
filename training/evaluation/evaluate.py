"""How well a model's rewards agree with people on prompts that it has not learned from.

Shapes: N rankings, K responses of the longest ranking (shorter ones are padded with rank 0).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from training.backbones.backbone import Backbone
from training.data.dataset import (
    Dataset,
    Rankings,
    TokenizedPrompt,
    TokenizedRanking,
)
from training.data.examples import Example
from training.distributed.device import Machine
from training.evaluation import metrics
from training.evaluation.bootstrap import Sums, by_prompt
from training.evaluation.inference import compute_rewards
from training.loop.loss import RankingLoss

FEWEST_SEEN, MOST_SEEN = 100, 1000
"""Prompts of the training side that are judged after training: as many as are held out, within."""
RANKINGS_AT_A_TIME = 1024
"""That the loss is computed of, where it is only looked at."""


@dataclass(frozen=True, slots=True)
class Side:
    """Rankings to judge a model on: those of every prompt, or of every so many-th."""

    rankings: Rankings
    every: int = 1

    def prompts(self) -> Iterator[tuple[TokenizedPrompt, list[TokenizedRanking]]]:
        return self.rankings.by_prompt(every=self.every, texts=False)

    def __iter__(self) -> Iterator[TokenizedRanking]:
        return (ranking for _, rankings in self.prompts() for ranking in rankings)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A model's rewards for some prompts, beside the rankings of them."""

    rewards: dict[str, list[float]]
    """By prompt hash, in the order of the prompt's responses."""
    characters: dict[str, list[int]]
    """Likewise, lengths of the texts."""
    places: list[tuple[int, ...]]
    """Of each ranking's responses, in its prompt's lists."""
    table: pd.DataFrame
    """One row a ranking: prompt, labeller, comparisons, agreed, loss, top1, kendall_tau."""
    comparisons: pd.DataFrame
    """One row a comparison: metrics.comparison_table, and prompt, labeller, margin, agreed,
    longer (1 where the longer text is the better one, one half where they are of one length)."""

    @property
    def loss(self) -> float:
        return float(self.table["loss"].mean())

    @property
    def accuracy(self) -> float:
        return float(self.comparisons["agreed"].mean())

    def margins(self, scores: dict[str, list[float]]) -> NDArray[np.float64]:
        """Of each comparison, by other scores of the same responses."""
        return metrics.margins(
            self.comparisons, _by_ranking(self.table["prompt"], self.places, scores)
        )


def held_out(dataset: Dataset) -> Side:
    return Side(dataset.held_out)


def learned_from(dataset: Dataset) -> Side:
    """Some of the prompts that were learned from, spread over all of them."""
    wanted = min(MOST_SEEN, max(FEWEST_SEEN, dataset.counts.held_out_prompts))
    return Side(dataset.train, max(1, dataset.counts.train_prompts // wanted))


def rewards_of(
    backbone: Backbone,
    side: Side,
    machine: Machine,
    tokens_per_batch: int,
    tick: Callable[[int], None],
) -> dict[str, list[float]]:
    """Score each prompt's responses once. By prompt hash; of several processes, this one's part."""
    hashes: list[str] = []

    def examples() -> Iterator[Example]:
        for prompt in machine.processes.mine(prompt for prompt, _ in side.prompts()):
            hashes.append(prompt.content_hash)
            yield Example(prompt.tokens, prompt.responses)

    was_training = backbone.model.training
    backbone.model.eval()
    try:
        scored = list(compute_rewards(backbone, examples(), machine, tokens_per_batch, tick))
    finally:
        backbone.model.train(was_training)
    return dict(zip(hashes, scored, strict=True))


def judge(
    rankings: Iterable[TokenizedRanking], rewards: dict[str, list[float]], objective: RankingLoss
) -> Verdict:
    """Rankings, each with a comparison, held against the rewards of their prompts' responses."""
    rows: list[tuple[str, str | None]] = []
    places: list[tuple[int, ...]] = []
    ranks: list[tuple[int, ...]] = []
    characters: dict[str, list[int]] = {}
    for ranking in rankings:
        prompt = ranking.prompt
        characters[prompt.content_hash] = prompt.characters
        rows.append((prompt.content_hash, ranking.labeller))
        places.append(ranking.places)
        ranks.append(ranking.ranks)
    table = pd.DataFrame(rows, columns=["prompt", "labeller"])
    ranks_NK = metrics.padded(ranks, np.int64)
    rewards_NK = _by_ranking(table["prompt"], places, rewards)
    table["loss"] = _losses(rewards_NK, ranks_NK, objective)
    table["top1"] = metrics.top1(ranks_NK, rewards_NK)
    table["kendall_tau"] = metrics.kendall_tau_b(ranks_NK, rewards_NK)

    found = metrics.comparison_table(ranks_NK, _by_ranking(table["prompt"], places, characters))
    for name in ("prompt", "labeller"):
        # Categories: a million comparisons of a few thousand prompts.
        found[name] = table[name].astype("category").array.take(found["ranking"].to_numpy())
    found["margin"] = metrics.margins(found, rewards_NK)
    found["agreed"] = metrics.agreed(found["margin"])
    found["longer"] = metrics.agreed(found["characters_better"] - found["characters_worse"])
    by_ranking = found.groupby("ranking")["agreed"]
    table["comparisons"], table["agreed"] = by_ranking.size(), by_ranking.sum()
    return Verdict(rewards, characters, places, table, found)


def _losses(
    rewards_NK: NDArray[np.float64], ranks_NK: NDArray[np.int64], objective: RankingLoss
) -> NDArray[np.float64]:
    """(N,). Some rankings at a time: the loss makes a dozen arrays (N, K, K)."""
    parts = (
        torch.from_numpy(array_NK).split(RANKINGS_AT_A_TIME) for array_NK in (rewards_NK, ranks_NK)
    )
    with torch.no_grad():
        return torch.cat(list(map(objective.plain, *parts))).numpy()


def _by_ranking(
    prompts: Iterable[str], places: list[tuple[int, ...]], values: Any
) -> NDArray[np.float64]:
    """Values of responses, by prompt hash, as (N, K) by ranking."""
    rows = [
        [values[prompt][place] for place in row]
        for prompt, row in zip(prompts, places, strict=True)
    ]
    return metrics.padded(rows, np.float64)


def curves(verdict: Verdict) -> dict[str, float]:
    """What is drawn while a run goes, without intervals."""
    near = verdict.comparisons[verdict.comparisons["near"]]
    found = {
        "loss": verdict.loss,
        "accuracy": verdict.accuracy,
        "log_loss": metrics.log_loss(verdict.comparisons["margin"].to_numpy()),
        "top1": float(verdict.table["top1"].mean()),
        "kendall_tau": float(verdict.table["kendall_tau"].mean()),
        "calibration_error": metrics.calibration(verdict.comparisons["margin"].to_numpy())["ece"],
    }
    return found | ({"near_equal_accuracy": float(near["agreed"].mean())} if len(near) else {})


def brief(verdict: Verdict) -> dict[str, Any]:
    """What metrics.json says of prompts that were learned from, after training."""
    return {
        "prompts": int(verdict.table["prompt"].nunique()),
        "rankings": len(verdict.table),
        "comparisons": len(verdict.comparisons),
        "loss": verdict.loss,
        "accuracy": verdict.accuracy,
    }


def held_out_metrics(verdict: Verdict, baselines: dict[str, NDArray[np.float64]]) -> dict[str, Any]:
    """What metrics.json says of the held-out side; docs/training.md explains each key.

    Args:
        baselines: for each name, which comparisons it orders as people did: 1, or one half where it
            sees no difference.
    """
    table, comparisons = verdict.table, verdict.comparisons
    margin = comparisons["margin"].to_numpy()
    responses = pd.DataFrame(
        [
            (prompt, reward, characters)
            for prompt, row in verdict.rewards.items()
            for reward, characters in zip(row, verdict.characters[prompt], strict=True)
        ],
        columns=["prompt", "reward", "characters"],
    )
    by_labeller = metrics.accuracy_by(comparisons["labeller"], comparisons["agreed"])
    return {
        "prompts": int(table["prompt"].nunique()),
        "rankings": len(table),
        "comparisons": len(comparisons),
        "loss": verdict.loss,
        "log_loss": metrics.log_loss(margin),
        **_with_intervals(verdict, baselines),
        "longer_wins": float(comparisons["longer"].mean()),
        "by_gap": metrics.accuracy_by(
            comparisons["gap"].clip(upper=metrics.WIDEST_GAP), comparisons["agreed"]
        ),
        "by_labeller": by_labeller if len(by_labeller) > 1 else [],
        "length": metrics.length_figures(responses, comparisons),
        "calibration": metrics.calibration(margin),
        "reward_mean": float(responses["reward"].mean()),
        "reward_std": float(responses["reward"].std(ddof=0)),
    }


def _with_intervals(verdict: Verdict, baselines: dict[str, NDArray[np.float64]]) -> dict[str, Any]:
    """The model's figures and the baselines', and between them, with intervals over prompts."""
    # Halves and their sums are exact in half the memory, and these tables are a run's largest.
    columns = verdict.comparisons[["agreed"]].astype(np.float32)
    columns["comparisons"] = np.float32(1)
    for name, right in baselines.items():
        columns[name] = right.astype(np.float32)
        columns[f"over {name}"] = columns["agreed"] - columns[name]
    near = columns.mul(verdict.comparisons["near"], axis=0).add_prefix("near ")
    figures = verdict.table[["top1", "kendall_tau"]].assign(rankings=1.0)
    sums = Sums(
        columns.join(near)
        .groupby(verdict.comparisons["prompt"], observed=True)
        .sum()
        .astype(np.float64)
        .join(figures.groupby(verdict.table["prompt"]).sum())
    )

    def accuracy(of: str, near: str = "") -> dict[str, float | None]:
        return sums.ratio("accuracy", f"{near}{of}", f"{near}comparisons")

    def beside(name: str, near: str = "") -> dict[str, Any]:
        gain = sums.ratio("gain", f"{near}over {name}", f"{near}comparisons")
        return {**accuracy(name, near), **gain}

    return {
        **accuracy("agreed"),
        **sums.ratio("top1", "top1", "rankings"),
        **sums.ratio("kendall_tau", "kendall_tau", "rankings"),
        "near_equal": {
            "comparisons": int(verdict.comparisons["near"].sum()),
            **accuracy("agreed", "near "),
        },
        "baselines": {
            name: {**beside(name), "near_equal": beside(name, "near ")} for name in baselines
        },
    }


def judgements(verdict: Verdict) -> Iterator[tuple[str, float, int]]:
    """(hash, agreed, comparisons) of each held-out prompt."""
    for name, (agreed, comparisons) in by_prompt(verdict.table).iterrows():
        yield str(name), float(agreed), int(comparisons)
