"""Let a network learn what the linear parts leave over, and keep it only if it helps.

The network learns from four fifths of the training prompts, with linear rewards from models that
did not see the prompt: those of a model that did are too good to leave anything over. On the other
fifth it must lower the log loss for certain; otherwise it is dropped.

Shapes: C comparisons, Q prompts, S bootstrap samples.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from training.backbones.features import PodiumFeaturesForSequenceClassification, text_key
from training.data.dataset import Rankings
from training.selection.bootstrap import bootstrap, mean_difference
from training.selection.table import weighted_comparisons

SCALES = (0.25, 0.5, 0.75, 1.0)
"""Factors of the network's rewards that are tried."""
KNOWN = "known.npz"


def judge(
    judging: Rankings, linear: dict[str, list[float]], added: dict[str, list[float]]
) -> dict[str, Any]:
    """Return the best factor of the network, and what it changes on the prompts that judge it.

    `linear` and `added` are the rewards of the linear parts and of the network by prompt hash. The
    factor is 0 unless the log loss is lower for certain.
    """
    rows = [
        (
            number,
            weight,
            linear[prompt.content_hash][better] - linear[prompt.content_hash][worse],
            added[prompt.content_hash][better] - added[prompt.content_hash][worse],
        )
        for number, (prompt, rankings) in enumerate(judging.by_prompt(texts=False))
        for better, worse, weight in weighted_comparisons(rankings, "drop")
    ]
    table = pd.DataFrame(rows, columns=["prompt", "weight", "linear", "network"])

    def by_prompt(factor: float) -> pd.DataFrame:
        margins_C = table["linear"] + factor * table["network"]
        sums = {
            "weight": table["weight"],
            "loss": table["weight"] * np.logaddexp(0.0, -margins_C),
            "agreed": table["weight"] * np.heaviside(margins_C, 0.5),
        }
        return pd.DataFrame(sums).groupby(table["prompt"]).sum()

    before = by_prompt(0.0)
    factor = min(SCALES, key=lambda scale: float(by_prompt(scale)["loss"].sum()))
    after = by_prompt(factor)
    low, high = bootstrap(mean_difference, before[["loss", "weight"]], after[["loss", "weight"]])
    weight = before["weight"].sum()
    return {
        "prompts": len(before),
        "comparisons": len(table),
        "factor": factor if low > 0 else 0.0,
        "log_loss_gain": float((before["loss"] - after["loss"]).sum() / weight),
        "log_loss_gain_low": low,
        "log_loss_gain_high": high,
        "accuracy_before": float(before["agreed"].sum() / weight),
        "accuracy_after": float(after["agreed"].sum() / weight),
    }


def know(
    model: PodiumFeaturesForSequenceClassification,
    rankings: Rankings,
    rewards_M: NDArray[np.float64],
) -> None:
    """Give the model the rewards (M,) of the responses to the prompts of these rankings."""
    rewards = iter(rewards_M.tolist())
    model.known = {
        text_key(prompt.tokens, response): next(rewards)
        for prompt, _ in rankings.by_prompt(texts=False)
        for response in prompt.responses
    }


def save_known(model: PodiumFeaturesForSequenceClassification, folder: Path) -> None:
    """Write the rewards that the model knows to a folder."""
    keys = np.frombuffer(b"".join(model.known), np.uint64)
    np.savez(folder / KNOWN, keys=keys, rewards=np.array(list(model.known.values())))


def load_known(model: PodiumFeaturesForSequenceClassification, folder: Path) -> None:
    """Read the rewards that the model knows from a folder."""
    with np.load(folder / KNOWN, allow_pickle=False) as found:
        keys, rewards = found["keys"].tobytes(), found["rewards"].tolist()
    model.known = {keys[8 * place : 8 * place + 8]: each for place, each in enumerate(rewards)}
