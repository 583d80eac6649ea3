"""LoRA: each linear layer of a pretrained model learns a change of low rank to frozen weights.

Hu et al., arXiv 2106.09685. The layers are put into the model where it stands, so that it keeps its
class and its names; a saved model has the changes added to its weights and nothing of LoRA left.
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

NAME = "default"
LINEAR = (nn.Linear, Conv1D)


def add_lora(model: PreTrainedModel, new: Collection[str], rank: int, alpha: float) -> None:
    """Freeze the model but for LoRA's matrices and the weights named in `new`.

    `new` are the weights that nothing was learned into yet: a low rank is not enough for them.
    """
    targets = {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, LINEAR) and f"{name}.weight" not in new
    }
    if not targets:
        raise UserError(f"a {model.config.model_type} model has no layers for LoRA; leave it off")
    config = LoraConfig(
        r=rank,
        lora_alpha=alpha,  # type: ignore[arg-type]  # any number will do
        lora_dropout=0.0,
        target_modules=list(targets),
        fan_in_fan_out=all(isinstance(module, Conv1D) for module in targets.values()),
    )
    inject_adapter_in_model(config, model, NAME)
    for name in new:
        model.get_parameter(name).requires_grad_(True)


@torch.no_grad()
def merged_weights(model: PreTrainedModel) -> dict[str, Tensor]:
    """The weights, by the names they have without LoRA, with its changes added to them.

    The model itself stays as it is: merging and unmerging would round its weights.
    """
    layers = {
        f"{name}.base_layer.weight": module
        for name, module in model.named_modules()
        if isinstance(module, LoraLinear)
    }
    return {
        name.replace(".base_layer.", "."): (
            weight + layers[name].get_delta_weight(NAME) if name in layers else weight
        )
        for name, weight in model.state_dict().items()
        if ".lora_" not in name
    }
