"""Fully sharded data parallel (Zhao et al., arXiv 2304.11277).

Each process holds a shard of every weight, of its gradient and of the optimiser's state. The
weights of a layer are gathered from all processes before it computes, and freed afterwards. torch
represents a sharded tensor as a DTensor. All processes must call the functions of this file
together.
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

from training.distributed.processes import ProcessGroup


def shard(model: PreTrainedModel, group: ProcessGroup) -> None:
    """Shard the weights of a model over the processes of `group`.

    Each layer is a unit of its own, and so is each child of the model, because some are called
    directly.
    """
    # The warning is about outputs that are modified in place, which nothing here does.
    warnings.filterwarnings("ignore", message="FSDP2-wrapped module .* returned a view tensor")
    mesh = init_device_mesh(model.device.type, (group.count,))
    layers = set(model._no_split_modules or ())
    for module in list(model.modules()):
        if type(module).__name__ in layers:
            fully_shard(module, mesh=mesh)
    for part in model.children():
        if any(True for _ in part.parameters()):
            fully_shard(part, mesh=mesh)
    for module in model.modules():
        if isinstance(module, FSDPModule):
            # The loss is already a mean over all rankings of a step, so gradients are summed.
            module.set_gradient_divide_factor(1.0)
            module.set_force_sum_reduction_for_comms(True)


def full_tensors(value: Any, *, keep: bool) -> Any:
    """Return nested dicts and lists with each sharded tensor gathered on the CPU.

    Tensors are gathered one at a time, so that the device holds only one more than before. Without
    `keep`, None takes their place: the process only helps the others to gather.
    """
    if isinstance(value, DTensor):
        full = value.full_tensor()
        return full.cpu() if keep else None
    if isinstance(value, dict):
        return {key: full_tensors(item, keep=keep) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(full_tensors(item, keep=keep) for item in value)
    return value


def shard_like(weight: Tensor, full: Tensor) -> Tensor:
    """Return `full` sharded like `weight`, or as it is if `weight` is whole or of another shape."""
    if isinstance(weight, DTensor) and full.shape == weight.shape:
        on_device = full.to(weight.device)
        return distribute_tensor(on_device, weight.device_mesh, weight.placements)
    return full


@torch.no_grad()
def load_into(weight: Tensor, full: Tensor) -> None:
    """Copy the values of `full` into a weight, sharded or not."""
    weight.copy_(shard_like(weight, full))
