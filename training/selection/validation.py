"""A part of the training prompts that is not learned from, but chooses what is kept."""

from __future__ import annotations

import numpy as np

from training.config import VALIDATION_PARTS
from training.data.dataset import Rankings

SEED = 0


def split_off(train: Rankings) -> tuple[Rankings, Rankings]:
    """Return the rankings to learn from, and those of the prompts for validation."""
    rows = np.random.default_rng(SEED).permutation(np.unique(train.prompt_rows))
    fewer = len(rows) // VALIDATION_PARTS
    return train.of_prompts(rows[fewer:]), train.of_prompts(rows[:fewer])
