"""Learn the linear parts of a reward model, before its network, if any, learns the rest.

Shapes: M responses.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from training.backbones.features import Linear, PodiumFeaturesForSequenceClassification
from training.backbones.transformer import PodiumTransformerConfig
from training.config import TrainConfig
from training.data.dataset import Rankings
from training.runs.progress import Reporter
from training.selection.choose import Validator, choose, count_candidates
from training.selection.linear import Design, Scaler
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
    every = stride(train)
    reporter.enter("counting", steps=train.count_prompts(every))
    table = read_table(
        train,
        model.vocabulary,
        model.config.word_buckets,
        config.ties,
        every=every,
        embedder=model.embedder,
        tick=reporter.advance,
    )
    part = sample(table)
    reporter.enter("choosing", steps=count_candidates(part))
    choice = choose(part, reporter.advance)
    strengths = choice.chosen.strengths
    if not strengths.words:
        model.drop_words()
    if not strengths.embedded:
        model.drop_encoder()
        table = replace(table, embedded_ME=None)
    design = Design(table)
    set_weights(model, design, design.fit(strengths))
    if config.backbone == "auto" and len(train) >= config.network_from:
        found = choice.chosen
        if part is not table:
            found = Validator(design, reporter.alive).validate(strengths)
        know(model, train, every, found.rewards_M)
        model.add_network(network_config(config, model))
    return choice.to_json()


def stride(train: Rankings) -> int:
    """Return n, where every nth prompt of the training side is learned from."""
    responses = sum(len(prompt.responses) for prompt, _ in train.by_prompt(texts=False))
    return -(-responses // LEARNED_FROM)


def sample(table: FeatureTable) -> FeatureTable:
    """Return a part of the table, of prompts drawn at random, with about CHOSEN_FROM responses."""
    share = CHOSEN_FROM / len(table.prompt_M)
    if share >= 1:
        return table
    order_Q = np.random.default_rng(SEED).permutation(table.prompts)
    return table.of_prompts(order_Q < share * table.prompts)


def set_weights(
    model: PodiumFeaturesForSequenceClassification, design: Design, weights: NDArray[np.float64]
) -> None:
    """Give the model the weights (D + W,) that were found for a design."""
    named, dense = len(design.named.mean_F), design.dense_MD.shape[1]
    _set_linear(model.named, design.named, weights[:named])
    if model.embedded is not None and design.embedded is not None:
        found = weights[named:dense] / (dense - named) ** 0.5
        _set_linear(model.embedded, design.embedded, found)
    if model.words is not None:
        spread = torch.zeros(len(model.words.weight))
        spread[torch.from_numpy(design.used)] = torch.from_numpy(weights[dense:]).float()
        model.words.weight.data.copy_(spread)
        model.words.idf.copy_(torch.from_numpy(design.idf))


def _set_linear(part: Linear, scaler: Scaler, weights: NDArray[np.float64]) -> None:
    part.mean.copy_(torch.from_numpy(scaler.mean_F))
    part.std.copy_(torch.from_numpy(scaler.std_F))
    part.weight.data.copy_(torch.from_numpy(weights))


def network_config(
    config: TrainConfig, model: PodiumFeaturesForSequenceClassification
) -> PodiumTransformerConfig:
    """Return the sizes of the network that the settings ask for, with the model's vocabulary."""
    return PodiumTransformerConfig(
        vocab_size=model.config.vocab_size,
        hidden_size=config.width,
        num_attention_heads=config.heads,
        num_prompt_layers=config.prompt_layers,
        num_hidden_layers=config.layers,
        separator_token_id=model.config.separator_token_id,
        pad_token_id=model.config.pad_token_id,
        eos_token_id=model.config.eos_token_id,
    )
