"""Learn the linear parts of a reward model, before its network, if any, learns the rest.

Shapes: M responses.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from sklearn.preprocessing import StandardScaler

from training.backbones.features import Linear, PodiumFeaturesForSequenceClassification
from training.backbones.scratch import add_network
from training.config import TrainConfig
from training.data.dataset import Rankings
from training.runs.progress import Reporter
from training.selection.choose import Validator, choose, count_candidates
from training.selection.linear import Design, Weights
from training.selection.residual import know
from training.selection.table import FeatureTable, read_table

CHOSEN_FROM = 6_000
"""Approximate number of responses, of whole prompts, among which the choice is made."""
LEARNED_FROM = 100_000
"""Approximate number of responses that the linear parts learn from at most."""
SEED = 0


def learn_linear(
    model: PodiumFeaturesForSequenceClassification,
    train: Rankings,
    config: TrainConfig,
    reporter: Reporter,
) -> dict[str, Any]:
    """Choose the linear parts of the model, and learn their weights from the training side.

    With backbone auto and enough rankings, a network is added that is yet to be trained. Returns
    the choice for manifest.json.
    """
    learned, sample = some_prompts(train, LEARNED_FROM), some_prompts(train, CHOSEN_FROM)
    table = count(model, sample, config, reporter)
    must_embed = config.backbone == "embedding"
    reporter.enter("choosing", steps=count_candidates(table, must_embed=must_embed))
    choice = choose(table, reporter.advance, must_embed=must_embed)
    strengths = choice.chosen.strengths
    if not strengths.embedded:
        model.drop_encoder()
        table = replace(table, embedded_ME=None)
    if not strengths.scored:
        model.drop_scorer()
        table = replace(table, scored_M1=None)
    if sample is not learned:
        table = count(model, learned, config, reporter)
    if not strengths.words:
        model.drop_words()
    design = Design(table)
    set_weights(model, design, design.fit(strengths))
    if config.backbone == "auto" and len(train) >= config.network_from:
        unseen = Validator(design, reporter.alive).validate(strengths)
        know(model, learned, unseen.rewards_M)
        add_network(model, config)
    return choice.to_json()


def some_prompts(train: Rankings, responses: int) -> Rankings:
    """Return the rankings of prompts drawn at random, with at most so many responses.

    All are returned where they have no more. One prompt is always there.
    """
    rows, counts = train.count_responses()
    if counts.sum() <= responses:
        return train
    order = np.random.default_rng(SEED).permutation(len(rows))
    few = max(1, int((np.cumsum(counts[order]) <= responses).sum()))
    return train.of_prompts(rows[order[:few]])


def count(
    model: PodiumFeaturesForSequenceClassification,
    rankings: Rankings,
    config: TrainConfig,
    reporter: Reporter,
) -> FeatureTable:
    """Return the table of the prompts of these rankings, by the parts that the model has."""
    reporter.enter("counting", steps=rankings.count_prompts())
    return read_table(
        rankings,
        model.vocabulary,
        model.config.word_buckets,
        config.ties,
        embedder=model.embedder,
        scorer=model.scorer,
        tick=reporter.advance,
    )


def set_weights(
    model: PodiumFeaturesForSequenceClassification, design: Design, weights: Weights
) -> None:
    """Give the model the weights (F,) that were found for a design."""
    parts = design.parts(weights)
    _set_linear(model.named, design.named, parts["named"])
    if model.words is not None:
        device = model.device
        used = torch.from_numpy(design.used).to(device)
        model.words.weight.data[used] = torch.from_numpy(parts["words"]).float().to(device)
        model.words.idf[used] = torch.from_numpy(design.tfidf.idf_).float().to(device)
    if model.embedded is not None and design.embedded is not None:
        _set_linear(
            model.embedded, design.embedded, parts["embedded"] / design.sizes["embedded"] ** 0.5
        )
    if model.scored is not None and design.scored is not None:
        _set_linear(model.scored, design.scored, parts["scored"])


def _set_linear(part: Linear, scaler: StandardScaler, weights: Weights) -> None:
    part.mean.copy_(torch.from_numpy(scaler.mean_))
    part.std.copy_(torch.from_numpy(scaler.scale_))
    part.weight.data.copy_(torch.from_numpy(weights))
