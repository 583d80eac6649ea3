"""Learn how sure a trained model is of its rewards, from the comparisons of both sides.

Shapes: B responses, F features, C comparisons.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array, vstack

from training.backbones.features import PodiumFeaturesForSequenceClassification
from training.backbones.lastlayer import LastLayer
from training.data.dataset import Dataset, Rankings, TokenizedPrompt, TokenizedRanking
from training.data.examples import Example
from training.distributed.device import Device
from training.evaluation.evaluate import Evaluation
from training.evaluation.inference import split_up
from training.evaluation.posterior import INTERVAL, Comparisons, Posterior, differences, fit
from training.evaluation.temperature import FEWEST_PROMPTS, temperature
from training.rankings import Ties
from training.selection.learn import some_prompts
from training.selection.linear import prior_scales
from training.selection.table import weighted_comparisons

LEARNED_FROM = 6_000
"""Approximate number of responses of either side from which the posterior is learned."""


@dataclass(frozen=True, slots=True)
class Certainty:
    """Hold a posterior, and what it makes of the held-out comparisons."""

    posterior: Posterior
    figures: dict[str, Any]


def reward_intervals(
    last: LastLayer,
    dataset: Dataset,
    evaluation: Evaluation,
    device: Device,
    tokens_per_batch: int,
    *,
    strengths: Mapping[str, float],
    ties: Ties,
) -> Certainty | None:
    """Return how sure a model is of its rewards; None where too few prompts are held out.

    Args:
        strengths: standard deviations that the weights of each linear part were fitted with.
    """
    if len(evaluation.rewards) < FEWEST_PROMPTS:
        return None
    sample = some_prompts(dataset.train, LEARNED_FROM)
    reader = Reader(last, device, tokens_per_batch, ties)
    learned, _ = reader.comparisons(sample)
    held_out, rows = reader.comparisons(some_prompts(dataset.held_out, LEARNED_FROM))
    weights_F = np.concatenate(list(last.weights.values()))
    model = last.backbone.model
    is_ridge, scales_F = False, np.ones(len(weights_F))
    if isinstance(model, PodiumFeaturesForSequenceClassification):
        is_ridge, scales_F = True, prior(last, strengths, model.named.std)
    posterior, spread = fit(
        learned,
        held_out,
        weights_F,
        scales_F,
        factor=dataset.counts.train_prompts / sample.count_prompts(),
        is_ridge=is_ridge,
    )
    table = evaluation.comparisons[evaluation.comparisons["prompt"].isin(list(rows))]
    variance_C = variances(posterior, rows, table, evaluation.places)
    figures: dict[str, Any] = {
        "overdispersion": spread,
        "half_width": INTERVAL * float(np.median(np.sqrt(variance_C))),
        "lead": float(np.median(np.abs(table["margin"]))),
        "directions": len(posterior.known_E),
    }
    aware, plain = temperature(table, variance_C), temperature(table)
    if aware and plain and aware["log_loss"] < plain["log_loss"]:
        figures["temperature"] = aware
    return Certainty(posterior, figures)


def prior(
    last: LastLayer, strengths: Mapping[str, float], units: torch.Tensor
) -> NDArray[np.float64]:
    """Return the standard deviations (F,) that the weights of a linear model were expected to have.

    `units` are those of the named features.
    """
    found = {name: np.full(size, strengths.get(name, 1.0)) for name, size in last.sizes.items()}
    found["named"] = prior_scales(last.sizes["named"], strengths.get("named", 1.0), units)
    if "embedded" in found:
        found["embedded"] /= last.sizes["embedded"] ** 0.5
    if "network" in found:  # it was not fitted with a prior: its own weights tell their size
        found["network"][:] = max(float(np.sqrt((last.weights["network"] ** 2).mean())), 1e-6)
    return np.concatenate([found[name] for name in last.sizes])


@dataclass(frozen=True, slots=True)
class Reader:
    """Compute the features of the last layer for prompts with their rankings."""

    last: LastLayer
    device: Device
    tokens_per_batch: int
    ties: Ties

    def rows(
        self, rankings: Rankings
    ) -> Iterator[tuple[TokenizedPrompt, list[TokenizedRanking], csr_array]]:
        """Yield each prompt, its rankings, and the features (B, F) of its responses."""
        model = self.last.backbone.model
        was_training = model.training
        model.eval()
        try:
            for prompt, its_rankings in rankings.by_prompt(texts=False):
                parts = split_up([Example(prompt.tokens, prompt.responses)], self.tokens_per_batch)
                with self.device.autocast():
                    rows = [self.last.read([part])[1] for _, part in parts]
                yield prompt, its_rankings, csr_array(vstack(rows, format="csr"))
        finally:
            model.train(was_training)

    def comparisons(self, rankings: Rankings) -> tuple[Comparisons, dict[str, csr_array]]:
        """Return all comparisons, and the features of each prompt's responses by its hash."""
        features: dict[str, csr_array] = {}
        rows_CF: list[csr_array] = []
        weights: list[float] = []
        prompts: list[int] = []
        for number, (prompt, its_rankings, rows_BF) in enumerate(self.rows(rankings)):
            features[prompt.content_hash] = rows_BF
            pairs = list(weighted_comparisons(its_rankings, self.ties))
            better, worse = ([pair[side] for pair in pairs] for side in (0, 1))
            rows_CF.append(csr_array(rows_BF[better] - rows_BF[worse]))
            weights += [weight for *_, weight in pairs]
            prompts += [number] * len(pairs)
        whole = csr_array(vstack(rows_CF, format="csr"))
        return Comparisons(whole, np.array(weights), np.array(prompts)), features


def variances(
    posterior: Posterior,
    rows: Mapping[str, csr_array],
    table: pd.DataFrame,
    places: list[tuple[int, ...]],
) -> NDArray[np.float64]:
    """Return the variance (C,) of the margin of each comparison of an evaluation."""
    by_prompt = {name: differences(posterior.covariance(one)) for name, one in rows.items()}
    found = []
    for prompt, ranking, better, worse in zip(
        table["prompt"], table["ranking"], table["better"], table["worse"], strict=True
    ):
        found.append(by_prompt[prompt][places[ranking][better], places[ranking][worse]])
    return np.array(found)
