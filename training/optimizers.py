"""The optimiser, and the learning rate of each step."""

from __future__ import annotations

import math
from typing import Any

from torch.optim import AdamW

from training.backbones.backbone import Backbone
from training.config import TrainConfig
from training.loss import RankingLoss


def make_optimizer(backbone: Backbone, objective: RankingLoss, config: TrainConfig) -> AdamW:
    """AdamW of the model's weights and the objective's own parameters.

    Biases, the scales of norms and the objective's parameters are not decayed.
    """
    weights = [weight for weight in backbone.model.parameters() if weight.requires_grad]
    groups: list[dict[str, Any]] = [
        {"params": [weight for weight in weights if weight.dim() >= 2]},
        {"params": [weight for weight in weights if weight.dim() < 2], "weight_decay": 0.0},
        {"params": list(objective.parameters()), "weight_decay": 0.0},
    ]
    return AdamW(
        groups,
        lr=config.learning_rate,
        betas=(config.beta1, config.beta2),
        weight_decay=config.weight_decay,
    )


def learning_rate_at(step: int, steps: int, config: TrainConfig) -> float:
    """Rises in a line over the warm-up, then falls along a cosine to its final share."""
    warmup = min(round(config.warmup_ratio * steps), steps - 1)
    if step < warmup:
        return config.learning_rate * (step + 1) / (warmup + 1)
    done = (step - warmup) / max(1, steps - 1 - warmup)
    cosine = 0.5 * (1 + math.cos(math.pi * done))
    return config.learning_rate * (config.final_lr_ratio + (1 - config.final_lr_ratio) * cosine)
