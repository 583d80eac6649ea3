"""Evaluate how well a model's rewards agree with people, on held-out prompts above all.

Shapes: N rankings, K responses of the longest ranking (shorter ones are padded with rank 0).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from training.backbones.backbone import Backbone
from training.data.dataset import Dataset, Rankings, TokenizedPrompt, TokenizedRanking
from training.data.examples import Example
from training.distributed.device import Device
from training.evaluation import metrics
from training.evaluation.inference import compute_rewards
from training.loop.loss import RankingLoss
from training.rankings import Ties
from training.selection.bootstrap import Sums

MIN_SAMPLE, MAX_SAMPLE = 100, 1000
"""Limits on the training prompts evaluated after training, which are as many as are held out."""
RANKINGS_PER_BATCH = 1024
"""Rankings whose evaluation loss is computed at once."""


@dataclass(frozen=True, slots=True)
class EvalSplit:
    """Select rankings to evaluate a model on: those of every prompt, or of every nth."""

    rankings: Rankings
    every: int = 1

    def prompts(self) -> Iterator[tuple[TokenizedPrompt, list[TokenizedRanking]]]:
        """Yield each prompt with its rankings."""
        return self.rankings.by_prompt(every=self.every, texts=False)

    def count_responses(self) -> int:
        """Return the number of responses to all prompts."""
        return int(self.rankings.count_responses()[1][:: self.every].sum())

    def __iter__(self) -> Iterator[TokenizedRanking]:
        return (ranking for _, rankings in self.prompts() for ranking in rankings)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Hold a model's rewards for some prompts, compared with the rankings of them."""

    rewards: dict[str, list[float]]
    """Rewards by prompt hash, in the order of the prompt's responses."""
    characters: dict[str, list[int]]
    """Lengths of the responses in characters, by prompt hash, in the same order."""
    places: list[tuple[int, ...]]
    """Places of each ranking's responses in its prompt's lists."""
    table: pd.DataFrame
    """One row a ranking: prompt, labeller, comparisons, agreed, loss, top1, kendall_tau, tied (the
    share of its pairs that are tied)."""
    comparisons: pd.DataFrame
    """One row a comparison: metrics.comparison_table, and prompt, labeller, margin, agreed,
    longer (1 where the longer text is the better one, one half where they are of one length)."""

    ties: Ties = "drop"
    """How the loss takes ties."""

    @property
    def chance_loss(self) -> float:
        """Return the loss of a model that gives every response the same reward."""
        return metrics.chance_loss(self.table["tied"].to_numpy(), self.ties)

    @property
    def loss(self) -> float:
        return float(self.table["loss"].mean())

    @property
    def accuracy(self) -> float:
        return float(self.comparisons["agreed"].mean())

    def margins(self, scores: dict[str, list[float]]) -> NDArray[np.float64]:
        """Return each comparison's margin by other scores of the same responses."""
        return metrics.margins(
            self.comparisons, _by_ranking(self.table["prompt"], self.places, scores)
        )


def held_out(dataset: Dataset) -> EvalSplit:
    """Return all held-out rankings."""
    return EvalSplit(dataset.held_out)


def train_sample(dataset: Dataset) -> EvalSplit:
    """Return the rankings of some training prompts, spread over all of them."""
    wanted = min(MAX_SAMPLE, max(MIN_SAMPLE, dataset.counts.held_out_prompts))
    return EvalSplit(dataset.train, max(1, dataset.counts.train_prompts // wanted))


def split_rewards(
    backbone: Backbone,
    split: EvalSplit,
    device: Device,
    tokens_per_batch: int,
    tick: Callable[[int], None],
) -> dict[str, list[float]]:
    """Return the rewards of each prompt's responses, by prompt hash.

    Each of several processes scores a part of the prompts. `tick` is called after each batch with
    the number of its responses.
    """
    hashes: list[str] = []
    mine = device.group.own_share(prompt for prompt, _ in split.prompts())
    examples = _examples(mine, hashes)
    was_training = backbone.model.training
    backbone.model.eval()
    try:
        scored = list(compute_rewards(backbone, examples, device, tokens_per_batch, tick))
    finally:
        backbone.model.train(was_training)
    return dict(zip(hashes, scored, strict=True))


def _examples(prompts: Iterable[TokenizedPrompt], hashes: list[str]) -> Iterator[Example]:
    """Yield each prompt as an example, and add its hash to `hashes`."""
    for prompt in prompts:
        hashes.append(prompt.content_hash)
        yield Example(prompt.tokens, prompt.responses)


def evaluate(
    rankings: Iterable[TokenizedRanking], rewards: dict[str, list[float]], objective: RankingLoss
) -> Evaluation:
    """Compare rankings, each with a comparison, with the rewards of their prompts' responses."""
    rows: list[tuple[str, str | None]] = []
    places: list[tuple[int, ...]] = []
    ranks: list[tuple[int, ...]] = []
    groups: list[tuple[int, ...]] = []
    characters: dict[str, list[int]] = {}
    for ranking in rankings:
        prompt = ranking.prompt
        characters[prompt.content_hash] = prompt.characters
        rows.append((prompt.content_hash, ranking.labeller))
        places.append(ranking.places)
        ranks.append(ranking.ranks)
        groups.append(ranking.groups)
    table = pd.DataFrame(rows, columns=["prompt", "labeller"])
    ranks_NK = metrics.padded(ranks, np.int64)
    rewards_NK = _by_ranking(table["prompt"], places, rewards)
    groups_NK = metrics.groups_of(groups, ranks_NK.shape[1])
    table["loss"] = _losses(rewards_NK, ranks_NK, groups_NK, objective)
    table["top1"] = metrics.top1(ranks_NK, rewards_NK, groups_NK)
    table["kendall_tau"] = metrics.kendall_tau_b(ranks_NK, rewards_NK, groups_NK)
    table["tied"] = metrics.tied_share(ranks_NK, groups_NK)

    found = metrics.comparison_table(
        ranks_NK, _by_ranking(table["prompt"], places, characters), groups_NK
    )
    for name in ("prompt", "labeller"):
        # Categories save memory: there may be a million comparisons of a few thousand prompts.
        found[name] = table[name].astype("category").array.take(found["ranking"].to_numpy())
    found["margin"] = metrics.margins(found, rewards_NK)
    found["agreed"] = metrics.agreed(found["margin"])
    found["longer"] = metrics.agreed(found["characters_better"] - found["characters_worse"])
    by_ranking = found.groupby("ranking")["agreed"]
    table["comparisons"], table["agreed"] = by_ranking.size(), by_ranking.sum()
    return Evaluation(rewards, characters, places, table, found, objective.ties)


def _losses(
    rewards_NK: NDArray[np.float64],
    ranks_NK: NDArray[np.int64],
    groups_NK: NDArray[np.int64],
    objective: RankingLoss,
) -> NDArray[np.float64]:
    """Return the evaluation losses (N,), batch by batch: each makes a dozen arrays (N, K, K)."""
    parts = (
        torch.from_numpy(array_NK).split(RANKINGS_PER_BATCH)
        for array_NK in (rewards_NK, ranks_NK, groups_NK)
    )
    on_cpu = copy.deepcopy(objective).cpu()
    with torch.no_grad():
        return torch.cat(list(map(on_cpu.evaluation_loss, *parts))).numpy()


def _by_ranking(
    prompts: Iterable[str], places: list[tuple[int, ...]], values: Any
) -> NDArray[np.float64]:
    """Return values of responses, given by prompt hash, as one array (N, K) by ranking."""
    rows = [
        [values[prompt][place] for place in row]
        for prompt, row in zip(prompts, places, strict=True)
    ]
    return metrics.padded(rows, np.float64)


def curves(evaluation: Evaluation) -> dict[str, float]:
    """Return the values that TensorBoard draws while a run goes on, without intervals."""
    near = evaluation.comparisons[evaluation.comparisons["near"]]
    found = {
        "loss": evaluation.loss,
        "accuracy": evaluation.accuracy,
        "log_loss": metrics.log_loss(evaluation.comparisons["margin"].to_numpy()),
        "top1": float(evaluation.table["top1"].mean()),
        "kendall_tau": float(evaluation.table["kendall_tau"].mean()),
        "calibration_error": metrics.calibration(evaluation.comparisons["margin"].to_numpy())[
            "ece"
        ],
    }
    return found | ({"near_equal_accuracy": float(near["agreed"].mean())} if len(near) else {})


def brief(evaluation: Evaluation) -> dict[str, Any]:
    """Return the figures of an evaluation that need no intervals, for metrics.json."""
    return {
        "prompts": int(evaluation.table["prompt"].nunique()),
        "rankings": len(evaluation.table),
        "comparisons": len(evaluation.comparisons),
        "loss": evaluation.loss,
        "chance_loss": evaluation.chance_loss,
        "accuracy": evaluation.accuracy,
    }


def before_training(evaluation: Evaluation) -> dict[str, Any]:
    """Return the figures of an evaluation, and which comparisons agree with it (C,)."""
    agreed_C = torch.tensor(evaluation.comparisons["agreed"].to_numpy(np.float32))
    return {"figures": brief(evaluation), "agreed": agreed_C}


def held_out_metrics(
    evaluation: Evaluation, baselines: dict[str, NDArray[np.float64]]
) -> dict[str, Any]:
    """Return the entries of metrics.json on the held-out side, explained in docs/training.md.

    Args:
        baselines: for each name, 1 for a comparison that it orders as people did, one half where it
            sees no difference, 0 otherwise.
    """
    table, comparisons = evaluation.table, evaluation.comparisons
    margin = comparisons["margin"].to_numpy()
    responses = pd.DataFrame(
        [
            (prompt, reward, characters)
            for prompt, row in evaluation.rewards.items()
            for reward, characters in zip(row, evaluation.characters[prompt], strict=True)
        ],
        columns=["prompt", "reward", "characters"],
    )
    by_labeller = _accuracy_by(comparisons, comparisons["labeller"])
    return {
        "prompts": int(table["prompt"].nunique()),
        "rankings": len(table),
        "comparisons": len(comparisons),
        **_with_intervals(evaluation, baselines),
        "loss": evaluation.loss,  # to the last digit that of the curve
        "log_loss": metrics.log_loss(margin),
        "chance_loss": evaluation.chance_loss,
        "chance_log_loss": math.log(2),
        "longer_wins": float(comparisons["longer"].mean()),
        "by_gap": _accuracy_by(comparisons, comparisons["gap"].clip(upper=metrics.WIDEST_GAP)),
        "by_length": _accuracy_by(comparisons, metrics.length_of_better(comparisons)),
        "by_responses": _accuracy_by(comparisons, _responses_ranked(evaluation)),
        "by_labeller": by_labeller if len(by_labeller) > 1 else [],
        "length": metrics.length_figures(responses, comparisons),
        "calibration": metrics.calibration(margin),
        "reward_mean": float(responses["reward"].mean()),
        "reward_std": float(responses["reward"].std(ddof=0)),
    }


def _accuracy_by(comparisons: pd.DataFrame, column: pd.Series[Any]) -> list[dict[str, Any]]:
    return metrics.accuracy_by(column, comparisons["agreed"], comparisons["prompt"])


def _responses_ranked(evaluation: Evaluation) -> pd.Series[Any]:
    """Return the number of responses in the ranking of each comparison."""
    sizes = np.array([len(row) for row in evaluation.places])
    rows = evaluation.comparisons["ranking"]
    return pd.Series(sizes[rows.to_numpy()], index=rows.index, name="responses")


def _with_intervals(
    evaluation: Evaluation, baselines: dict[str, NDArray[np.float64]]
) -> dict[str, Any]:
    """Return the figures of the model and the baselines and their differences, with intervals."""
    # float32 is exact for halves and their sums, and these tables are the largest of a run.
    columns = evaluation.comparisons[["agreed"]].astype(np.float32)
    columns["comparisons"] = np.float32(1)
    columns["log_loss"] = metrics.log_losses(evaluation.comparisons["margin"].to_numpy())
    for name, right in baselines.items():
        columns[name] = right.astype(np.float32)
        columns[f"over {name}"] = columns["agreed"] - columns[name]
    near = columns.mul(evaluation.comparisons["near"], axis=0).add_prefix("near ")
    figures = evaluation.table[["loss", "top1", "kendall_tau"]].assign(rankings=1.0)
    sums = Sums(
        columns.join(near)
        .groupby(evaluation.comparisons["prompt"], observed=True)
        .sum()
        .astype(np.float64)
        .join(figures.groupby(evaluation.table["prompt"]).sum())
    )

    def accuracy(of: str, near: str = "") -> dict[str, float | None]:
        return sums.ratio("accuracy", f"{near}{of}", f"{near}comparisons")

    def beside(name: str, near: str = "") -> dict[str, Any]:
        gain = sums.ratio("gain", f"{near}over {name}", f"{near}comparisons")
        return {**accuracy(name, near), **gain}

    return {
        **accuracy("agreed"),
        **sums.ratio("loss", "loss", "rankings"),
        **sums.ratio("log_loss", "log_loss", "comparisons"),
        **sums.ratio("top1", "top1", "rankings"),
        **sums.ratio("kendall_tau", "kendall_tau", "rankings"),
        "near_equal": {
            "comparisons": int(evaluation.comparisons["near"].sum()),
            **accuracy("agreed", "near "),
        },
        "baselines": {
            name: {**beside(name), "near_equal": beside(name, "near ")} for name in baselines
        },
    }
