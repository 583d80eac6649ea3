"""Fully sharded data parallel (Zhao et al., arXiv 2304.11277): a share of every weight in each
process. Its gradient and the optimiser's state are shares too.

Before a layer computes, its weights are gathered from all processes, and dropped behind it. torch
keeps a shared tensor as a DTensor: here they are taken apart and put together again.
"""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from transformers import PreTrainedModel

from training.distributed.processes import Processes


def shard(model: PreTrainedModel, processes: Processes) -> None:
    """All processes: keep this one's share of each weight. Every layer is a unit of its own, and
    so are the model's parts, which stay callable by themselves.
    """
    # What the warning speaks of, changing a result in place, is done nowhere here.
    warnings.filterwarnings("ignore", message="FSDP2-wrapped module .* returned a view tensor")
    mesh = init_device_mesh(model.device.type, (processes.count,))
    layers = set(model._no_split_modules or ())
    for module in list(model.modules()):
        if type(module).__name__ in layers:
            fully_shard(module, mesh=mesh)
    for part in model.children():
        if any(True for _ in part.parameters()):
            fully_shard(part, mesh=mesh)
    for module in model.modules():
        if isinstance(module, FSDPModule):
            # A step's loss is a mean over all its rankings already: gradients are added up.
            module.set_gradient_divide_factor(1.0)
            module.set_force_sum_reduction_for_comms(True)


def gathered(value: Any, *, keep: bool) -> Any:
    """All processes: nested dicts and lists with every shared tensor as a whole one on the CPU.

    One after the other, so that memory holds one more than before; None where it is not kept.
    """
    if isinstance(value, DTensor):
        whole = value.full_tensor()
        return whole.cpu() if keep else None
    if isinstance(value, dict):
        return {key: gathered(item, keep=keep) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(gathered(item, keep=keep) for item in value)
    return value


def like(weight: Tensor, whole: Tensor) -> Tensor:
    """All processes: a whole tensor as `weight` is, shared or not. One of another shape stays."""
    if isinstance(weight, DTensor) and whole.shape == weight.shape:
        on_device = whole.to(weight.device)
        return distribute_tensor(on_device, weight.device_mesh, weight.placements)
    return whole


@torch.no_grad()
def fill(weight: Tensor, whole: Tensor) -> None:
    """All processes: give a weight, shared or not, these values."""
    weight.copy_(like(weight, whole))
