"""Compute linear layers with oneDNN on CPUs, where torch uses MKL for float32.

MKL is slow on processors of other makers than Intel: on an AMD EPYC of 2025, oneDNN computes the
same products in the same precision in half the time.

Shapes: M rows, I inputs, O outputs.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from transformers.pytorch_utils import Conv1D


def use_onednn(model: nn.Module) -> None:
    """Compute the model's linear layers with oneDNN when they are on a CPU.

    Each layer keeps its weights and its name, and becomes a subclass of its type. Nothing is
    changed if oneDNN is missing or gives other results than torch.
    """
    if not torch.backends.mkldnn.is_available() or not agrees_with_torch():
        return
    for module in model.modules():
        if type(module) is nn.Linear:
            module.__class__ = Linear
        elif type(module) is Conv1D:
            module.__class__ = TransposedLinear


@cache
def agrees_with_torch() -> bool:
    """Return True if oneDNN gives torch's output and gradients for a made-up layer.

    The operator is private to torch: another version may lack it, or take other arguments.
    """
    x_MI = torch.linspace(-1, 1, 12).reshape(4, 3).requires_grad_()
    weight_OI = torch.linspace(1, -2, 6).reshape(2, 3).requires_grad_()
    bias_O = torch.tensor([0.5, -0.5], requires_grad=True)
    inputs = (x_MI, weight_OI, bias_O)
    with torch.enable_grad():
        expected_MO = nn.functional.linear(*inputs)
        expected = (expected_MO, *torch.autograd.grad(expected_MO.square().sum(), inputs))
        for transposed in (False, True):
            weight = weight_OI.t() if transposed else weight_OI
            try:
                output_MO = OneDNNLinear.apply(x_MI, weight, bias_O, transposed)
                gradients = torch.autograd.grad(output_MO.square().sum(), inputs)
            except (AttributeError, NotImplementedError, RuntimeError, TypeError):
                return False
            pairs = zip((output_MO, *gradients), expected, strict=True)
            if not all(torch.allclose(one, other, atol=1e-5) for one, other in pairs):
                return False
    return True


class Linear(nn.Linear):
    """torch's linear layer, computed with oneDNN where it is faster."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - the name in torch
        if not fits_onednn(input, self.weight):
            return super().forward(input)
        return _linear(input, self.weight, self.bias)


class TransposedLinear(Conv1D):
    """GPT-2's linear layer, whose weight is (I, O)."""

    def forward(self, x: Tensor) -> Tensor:
        if not fits_onednn(x, self.weight):
            output: Tensor = super().forward(x)
            return output
        return _linear(x, self.weight, self.bias, transposed=True)


def fits_onednn(x: Tensor, weight: Tensor) -> bool:
    """Return True for a product in float32 on a CPU; torch computes all others fast."""
    return (
        x.device.type == "cpu"
        and x.dtype == weight.dtype == torch.float32
        and not torch.is_autocast_enabled("cpu")
    )


def _linear(
    x: Tensor, weight: Tensor, bias_O: Tensor | None, *, transposed: bool = False
) -> Tensor:
    x_MI = x.reshape(-1, x.shape[-1])
    output_MO: Tensor = OneDNNLinear.apply(x_MI, weight, bias_O, transposed)
    return output_MO.view(*x.shape[:-1], output_MO.shape[-1])


class OneDNNLinear(torch.autograd.Function):
    """Compute x W^T + b and its gradients, or x W + b for a transposed weight."""

    @staticmethod
    def forward(
        ctx: Any, x_MI: Tensor, weight: Tensor, bias_O: Tensor | None, transposed: bool
    ) -> Tensor:
        """Return the output (M, O)."""
        ctx.save_for_backward(x_MI, weight)
        ctx.transposed = transposed
        return product(x_MI, weight.t() if transposed else weight, bias_O)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient_MO: Tensor) -> tuple[Tensor | None, ...]:
        x_MI, weight = ctx.saved_tensors
        to_x, to_weight, to_bias, _ = ctx.needs_input_grad
        gradient_MO = gradient_MO.contiguous()  # the gradient of a sum is an expanded scalar
        # Each gradient gets the memory layout of its tensor; otherwise torch would copy it.
        left, right = (x_MI, gradient_MO) if ctx.transposed else (gradient_MO, x_MI)
        return (
            product(gradient_MO, weight if ctx.transposed else weight.t()) if to_x else None,
            product(left.t(), right.t()) if to_weight else None,
            gradient_MO.sum(0) if to_bias else None,
            None,
        )


def product(x_MI: Tensor, weight_OI: Tensor, bias_O: Tensor | None = None) -> Tensor:
    """Return x W^T + b (M, O), computed by oneDNN without copying views or transposed tensors."""
    output: Tensor = torch.ops.mkldnn._linear_pointwise(x_MI, weight_OI, bias_O, "none", [], "")
    return output
