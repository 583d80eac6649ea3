"""The defaults of settings, by backbone, and earlier names of settings."""

from __future__ import annotations

from typing import Any

# The defaults of settings whose default is None. Those of models from scratch were chosen on splits
# of 219 and of 5,281 rankings (docs/experiments.md). The origin of those of pretrained models is in
# docs/training.md.
TRANSFORMER_DEFAULTS: dict[str, Any] = {
    "model": "",
    "lora_rank": 0,
    "max_prompt_tokens": 512,
    "max_response_tokens": 1024,
    "epochs": 1,
    "rankings_per_step": 16,
    "learning_rate": 3e-3,
    "warmup_ratio": 0.05,
    "patience": 0,
    "keep": "last",
    "weight_decay": 0.1,
    "tokens_per_batch": 2048,
}
BACKBONE_DEFAULTS: dict[str, dict[str, Any]] = {
    "auto": TRANSFORMER_DEFAULTS,
    "features": TRANSFORMER_DEFAULTS,
    "embedding": TRANSFORMER_DEFAULTS,
    "transformer": TRANSFORMER_DEFAULTS,
    "rnn": {
        "model": "",
        "lora_rank": 0,
        "max_prompt_tokens": 512,
        "max_response_tokens": 512,
        "epochs": 3,
        "rankings_per_step": 16,
        "learning_rate": 1e-3,
        "warmup_ratio": 0.05,
        "patience": 0,
        "keep": "last",
        "weight_decay": 0.1,
        "tokens_per_batch": 2048,
    },
    "pretrained": {
        "model": "gpt2",
        "warmup_ratio": 0.1,
        "weight_decay": 0.0,
        "tokens_per_batch": 0,
    },
}
LORA_LEARNING_RATE = 1e-4
LEARNING_RATE = 1e-5
"""Of a pretrained model whose weights are all trained."""
SMALL_LEARNING_RATE = 5e-5
SMALL_PARAMETERS = 10**8
"""Parameters below which a pretrained model has the learning rate of a small one."""
LORA_PARAMETERS = 10**9
"""Parameters from which a model learns with LoRA."""
TOKENS_PER_BATCH = {"cuda": 16384, "cpu": 3072}
"""Tokens in one forward pass, where a backbone has no default of its own."""
DECIDED_BY_MODEL = (
    "lora_rank",
    "max_prompt_tokens",
    "max_response_tokens",
    "learning_rate",
    "head_learning_rate",
)
"""Settings that stay None until training/backbones/defaults.py has read the pretrained model."""
DECIDED_BY_DATA = ("epochs", "rankings_per_step", "patience", "keep")
"""Settings of a pretrained model that stay None until the rankings are counted (by_data.py)."""

# Factors on the default learning rates above, which are AdamW's (docs/experiments.md, Optimisers).
# Muon's updates are scaled to the size of AdamW's.
OPTIMIZER_RATES: dict[str, float] = {
    "adam": 1,
    "adamw": 1,
    "sgd": 100,
    "rmsprop": 0.1,
    "adafactor": 10,
    "muon": 1,
}

# Earlier names of settings, on the command line and in stored configurations.
OLD_NAMES = {"verdicts": "aggregation", "centring": "reward_centering"}
