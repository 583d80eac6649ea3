"""The backbone that a configuration asks for, new or from a run folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch

from training.backbones.backbone import Backbone
from training.backbones.pretrained import PretrainedBackbone
from training.backbones.scratch import ScratchBackbone, our_model
from training.config import TrainConfig
from training.errors import UserError


def create_backbone(config: TrainConfig, texts: Iterator[str], device: torch.device) -> Backbone:
    """A model to train. `texts` is read only by backbones that make their own tokenizer."""
    if config.backbone == "pretrained":
        return PretrainedBackbone.create(config, device)
    return ScratchBackbone.create(config, texts, device)


def load_backbone(folder: Path, config: TrainConfig, device: torch.device) -> Backbone:
    """A model that we saved. Raises UserError where the folder does not hold one."""
    try:
        model_class = our_model(folder)
        if model_class is not None:
            return ScratchBackbone.load(model_class, folder, config, device)
        return PretrainedBackbone.load(folder, config, device)
    except UserError:
        raise
    except Exception as error:  # a damaged tokenizer raises a bare Exception
        raise UserError(
            f"{folder} does not hold a trained model: {error}".splitlines()[0]
        ) from error
