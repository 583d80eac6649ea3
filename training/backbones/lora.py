"""LoRA: each linear layer of a pretrained model learns a low-rank update of its frozen weights.

Hu et al., arXiv 2106.09685. The layers are injected in place, so that the model keeps its class and
names. When the model is saved, the updates are added to its weights, and nothing of LoRA remains.
"""

from __future__ import annotations

from collections.abc import Collection

import torch
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.lora import Linear as LoraLinear
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from training.errors import UserError
from training.sentences import sentence

ADAPTER_NAME = "default"
LINEAR = (nn.Linear, Conv1D)


def add_lora(model: PreTrainedModel, new: Collection[str], rank: int, alpha: float) -> None:
    """Freeze the model except for LoRA's matrices and the weights named in `new`.

    `new` names weights with random values, which a low-rank update is not enough to train.
    """
    targets = {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, LINEAR) and f"{name}.weight" not in new
    }
    if not targets:
        raise UserError(
            sentence(
                "a %(family)s model has no linear layers for LoRA; use --lora-rank 0",
                family=model.config.model_type,
            )
        )
    config = LoraConfig(
        r=rank,
        lora_alpha=alpha,  # type: ignore[arg-type]  # peft accepts any number
        lora_dropout=0.0,
        target_modules=list(targets),
        fan_in_fan_out=all(isinstance(module, Conv1D) for module in targets.values()),
    )
    inject_adapter_in_model(config, model, ADAPTER_NAME)
    for name in new:
        model.get_parameter(name).requires_grad_(True)


@torch.no_grad()
def merged_weights(model: PreTrainedModel) -> dict[str, Tensor]:
    """Return the weights with LoRA's updates added, by their names without LoRA.

    The model itself is not changed, because merging and unmerging would round its weights.
    """
    layers = {
        f"{name}.base_layer.weight": module
        for name, module in model.named_modules()
        if isinstance(module, LoraLinear)
    }
    return {
        name.replace(".base_layer.", "."): (
            weight + layers[name].get_delta_weight(ADAPTER_NAME) if name in layers else weight
        )
        for name, weight in model.state_dict().items()
        if ".lora_" not in name
    }
