"""The backbone that a configuration asks for, new or loaded from a folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch

from training.backbones.backbone import Backbone
from training.backbones.pretrained import PretrainedBackbone
from training.backbones.scratch import ScratchBackbone, scratch_model_class
from training.config import TrainConfig
from training.errors import UserError
from training.sentences import first_line, sentence


def create_backbone(config: TrainConfig, texts: Iterator[str], device: torch.device) -> Backbone:
    """Return a new model to train.

    `texts` is read only by backbones that train their own tokenizer.
    """
    if config.backbone == "pretrained":
        return PretrainedBackbone.create(config, device)
    return ScratchBackbone.create(config, texts, device)


def load_backbone(folder: Path, config: TrainConfig, device: torch.device) -> Backbone:
    """Load a model that Podium saved.

    Raises UserError if the folder does not hold one.
    """
    try:
        model_class = scratch_model_class(folder)
        if model_class is not None:
            return ScratchBackbone.load(model_class, folder, config, device)
        return PretrainedBackbone.load(folder, config, device)
    except UserError:
        raise
    except Exception as error:  # a damaged tokenizer raises a bare Exception
        raise UserError(
            sentence(
                "%(folder)s does not hold a trained model: %(problem)s",
                folder=str(folder),
                problem=first_line(error),
            )
        ) from error
