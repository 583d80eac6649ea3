"""Fill in the settings whose defaults depend on the pretrained model."""

from __future__ import annotations

from dataclasses import replace

import torch
from transformers import AutoModelForSequenceClassification

from training.backbones.hub import is_local
from training.backbones.loading import loading_errors, max_tokens, read_model_config
from training.backbones.pooled import PodiumPooledConfig, PodiumPooledForSequenceClassification
from training.config import (
    LEARNING_RATE,
    LORA_PARAMETERS,
    OPTIMIZER_RATES,
    SMALL_LEARNING_RATE,
    SMALL_PARAMETERS,
    RankingsSettings,
    TrainConfig,
)
from training.sentences import sentence

LORA_RANK = 16
MAX_TOKENS = 512
MIN_TOKENS = 8
"""Limits of a prompt's and of a response's tokens, where none are given."""
HEAD_TIMES = 10
"""Learning rate of a new head, as a multiple of the other weights'."""


def complete(config: TrainConfig) -> TrainConfig:
    """Return the configuration with the defaults for its pretrained model filled in.

    Reads the model's configuration, but not its weights. Raises UserError.
    """
    if config.backbone != "pretrained":
        return config
    local = is_local(config.model)
    with loading_errors(sentence("model %(name)s", name=config.model)):
        found, has_head = read_model_config(config.model, local)
        with torch.device("meta"):
            model = (
                PodiumPooledForSequenceClassification(found)
                if isinstance(found, PodiumPooledConfig)
                else AutoModelForSequenceClassification.from_config(found)
            )
    parameters = sum(weight.numel() for weight in model.parameters())
    lora_rank, learning_rate = config.lora_rank, config.learning_rate
    if lora_rank is None:
        large = parameters >= LORA_PARAMETERS
        lora_rank = LORA_RANK if large and config.freeze == "none" else 0
    if learning_rate is None and not lora_rank:
        rate = SMALL_LEARNING_RATE if parameters < SMALL_PARAMETERS else LEARNING_RATE
        learning_rate = rate * OPTIMIZER_RATES[config.optimizer]
    prompt, response = _limits(config, max_tokens(model))
    config = replace(
        config,
        lora_rank=lora_rank,
        learning_rate=learning_rate,
        max_prompt_tokens=prompt,
        max_response_tokens=response,
    )
    if config.head_learning_rate is not None:
        return config
    times = 1 if has_head or lora_rank else HEAD_TIMES
    return replace(config, head_learning_rate=min(1.0, times * config.learning_rate))


def _limits(config: RankingsSettings, longest: int | None) -> tuple[int, int]:
    """Return the maximum lengths of prompts and responses: as given, or as the model allows."""
    room = 2 * MAX_TOKENS if longest is None else longest
    prompt, response = config.max_prompt_tokens, config.max_response_tokens
    if prompt is None:
        prompt = _within(room // 2 if response is None else room - response)
    return prompt, _within(room - prompt) if response is None else response


def _within(tokens: int) -> int:
    """Return a default limit of at most so many tokens, but not less than a setting may be."""
    return max(MIN_TOKENS, min(MAX_TOKENS, tokens))
