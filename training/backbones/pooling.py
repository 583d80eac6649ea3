"""Choose which hidden states of a pretrained model its reward is read from.

The classifiers of transformers read one: causal models the last token's, encoders the first one's.
A model that is to read others becomes a PodiumPooledForSequenceClassification.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from training.backbones.pooled import PodiumPooledConfig, PodiumPooledForSequenceClassification
from training.config import Pooling
from training.errors import UserError
from training.sentences import sentence

CLASSIFIER_POOLING = "classifier_pooling"
"""The setting of models, such as ModernBERT, whose own classifier can read the mean."""


def is_pooled(folder: Path) -> bool:
    """Return True if a folder holds a model of ours that was saved with another pooling.

    Raises OSError or ValueError if the folder does not hold a model.
    """
    config = _read_object(folder / "config.json")
    return bool(config.get("model_type") == PodiumPooledConfig.model_type)


def is_causal(model: PreTrainedModel) -> bool:
    """Return True for the classifier of a causal model: its head is linear and named score."""
    return isinstance(getattr(model, "score", None), nn.Linear)


def pooling_of(model: PreTrainedModel) -> Pooling:
    """Return what a reward model reads."""
    if isinstance(model, PodiumPooledForSequenceClassification):
        pooling: Pooling = model.config.pooling
        return pooling
    own: Pooling = "last" if is_causal(model) else "cls"
    return getattr(model.config, CLASSIFIER_POOLING, own)


def with_pooling(
    model: PreTrainedModel, head: Collection[str], pooling: Pooling
) -> tuple[PreTrainedModel, frozenset[str]]:
    """Return a model with a new head that reads `pooling`, and the names of its new weights.

    `head` names the weights of the stock classifier that its files lack, and its head's. The
    pretrained weights are shared with `model`. Raises UserError if the model cannot be read so.
    """
    if pooling == "cls" and is_causal(model):
        raise UserError(
            sentence(
                "pooling cls reads the first token, which knows nothing of the others in a"
                " %(family)s model; use --pooling last or mean",
                family=model.config.model_type,
            )
        )
    model.config.name_or_path = ""  # it may be a path of this machine
    config = PodiumPooledConfig(model.config, pooling)
    with torch.device("meta"):
        pooled = PodiumPooledForSequenceClassification(config)
    base = model.base_model
    if hasattr(base, "pooler"):
        base.pooler = None  # type: ignore[assignment]  # torch types it as a module
    pooled.model = base
    pooled.reward = nn.Linear(pooled.reward.in_features, 1, bias=False)
    pooled._init_weights(pooled.reward)
    old, new = model.base_model_prefix, pooled.base_model_prefix
    names = {name for name, _ in pooled.named_parameters()}
    renamed = {name.replace(f"{old}.", f"{new}.", 1) for name in head if name.startswith(f"{old}.")}
    return pooled, frozenset({"reward.weight"} | renamed & names)


def _read_object(file: Path) -> dict[str, Any]:
    """Return the object in a JSON file. Raises OSError or ValueError if there is none."""
    found = json.loads(file.read_text(encoding="utf-8"))
    if not isinstance(found, dict):
        raise ValueError(f"{file.name} does not hold a JSON object")
    return found
