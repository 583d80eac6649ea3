"""Linear layers computed with oneDNN give the results of torch."""

import copy

import pytest
import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from training.backbones.onednn import (
    Linear,
    TransposedLinear,
    use_onednn,
)

KINDS = {
    "linear": lambda: nn.Linear(12, 7),
    "linear without bias": lambda: nn.Linear(12, 7, bias=False),
    "GPT-2's": lambda: Conv1D(7, 12),
}


def both(kind):
    torch.manual_seed(0)
    plain = nn.Sequential(KINDS[kind]())
    fast = copy.deepcopy(plain)
    use_onednn(fast)
    assert isinstance(fast[0], Linear | TransposedLinear)
    return plain, fast


def gradients(model, x):
    x = x.clone().requires_grad_()
    output = model(x)
    output.square().sum().backward()
    return [output.detach(), x.grad, *[weight.grad for weight in model.parameters()]]


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("shape", [(12,), (5, 12), (2, 3, 12)])
def test_outputs_and_gradients_equal_those_of_torch(kind, shape):
    plain, fast = both(kind)
    x = torch.randn(shape)
    for one, other in zip(gradients(fast, x), gradients(plain, x), strict=True):
        assert one.stride() == other.stride()
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", list(KINDS))
def test_the_expanded_gradient_of_a_sum_is_accepted(kind):
    plain, fast = both(kind)
    x = torch.randn(4, 12)
    plain(x).sum().backward()
    fast(x).sum().backward()
    for one, other in zip(fast.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad)


@pytest.mark.parametrize("kind", list(KINDS))
def test_float64_and_bf16_are_computed_by_torch(kind):
    plain, fast = both(kind)
    x = torch.randn(4, 12)
    assert torch.equal(fast.double()(x.double()), plain.double()(x.double()))
    plain, fast = both(kind)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(fast(x), plain(x))
        assert fast(x).dtype == torch.bfloat16


def test_weights_keep_their_names():
    plain, fast = both("GPT-2's")
    assert list(fast.state_dict()) == list(plain.state_dict())
