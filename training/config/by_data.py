"""The defaults of a pretrained model that depend on how many rankings there are to learn from."""

from __future__ import annotations

import math
from dataclasses import replace

from training.config.train_config import TrainConfig

FEWEST_STEPS = 60
"""Optimiser steps that a run makes at least, where few epochs do not make them already."""
MIN_EPOCHS = 2
MAX_EPOCHS = 10
STEPS_PER_EPOCH = FEWEST_STEPS // MAX_EPOCHS
"""Optimiser steps of an epoch, for which few rankings are divided into smaller batches."""
LARGEST_BATCH = 8
VALIDATED_FROM = 25
"""Training prompts of which a fifth are enough to choose the weights by."""
PATIENCE = 3
VALIDATION_PARTS = 5
"""One of so many parts of the training prompts is for validation."""


def with_stopping(config: TrainConfig, prompts: int) -> TrainConfig:
    """Return the settings with early stopping, where so many training prompts allow it."""
    enough = prompts >= VALIDATED_FROM
    return replace(
        config,
        patience=(PATIENCE if enough else 0) if config.patience is None else config.patience,
        keep=("best" if enough else "last") if config.keep is None else config.keep,
    )


def with_steps(config: TrainConfig, sets: int) -> TrainConfig:
    """Return the settings with a batch size and epochs for so many sets of responses."""
    batch, epochs = config.rankings_per_step, config.epochs
    if batch is None:
        batch = max(1, min(LARGEST_BATCH, sets // STEPS_PER_EPOCH))
    if epochs is None:
        per_epoch = max(1, math.ceil(sets / batch))
        epochs = max(MIN_EPOCHS, min(MAX_EPOCHS, math.ceil(FEWEST_STEPS / per_epoch)))
    return replace(config, rankings_per_step=batch, epochs=epochs)
