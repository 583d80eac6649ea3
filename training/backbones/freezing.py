"""Freeze a pretrained model, so that only its head and its last layers are trained."""

from __future__ import annotations

from collections.abc import Collection

from torch import nn
from transformers import PreTrainedModel

from training.errors import UserError
from training.sentences import sentence


def freeze(model: PreTrainedModel, head: Collection[str], wanted: str) -> None:
    """Freeze the model except for the weights named in `head`.

    `wanted` is the setting: "none" freezes nothing, and a number of last layers is trained too.
    """
    if wanted == "none":
        return
    last = [] if wanted == "all" else _layers(model, int(wanted))
    model.requires_grad_(False)
    for layer in last:
        layer.requires_grad_(True)
    for name in head:
        model.get_parameter(name).requires_grad_(True)


def _layers(model: PreTrainedModel, count: int) -> list[nn.Module]:
    """Return the last layers of the model, so many of them. Raises UserError."""
    family = model.config.model_type
    total = model.config.get_text_config().num_hidden_layers
    lists = (module for module in model.modules() if isinstance(module, nn.ModuleList))
    layers = next((found for found in lists if len(found) == total), None)
    if layers is None:
        raise UserError(
            sentence(
                "the layers of a %(family)s model cannot be frozen one by one;"
                " use --freeze all or none",
                family=family,
            )
        )
    if count > total:
        raise UserError(
            sentence(
                "freeze is %(count)s, but the %(family)s model has %(total)s layers",
                count=count,
                family=family,
                total=total,
            )
        )
    return list(layers)[-count:]
