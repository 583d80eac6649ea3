"""All kinds of attention compute the same result."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training.backbones.test_layout import example
from training.backbones.layout import shared_row
from training.backbones.shared_prefix import (
    ATTENTION_KEYWORD,
    RowAttention,
    attend,
    block_mask,
    dense_mask,
)

CPU = torch.device("cpu")
ROWS = st.lists(
    st.tuples(st.integers(0, 7), st.lists(st.integers(1, 7), min_size=1, max_size=5)),
    min_size=1,
    max_size=4,
)


class Layer(torch.nn.Module):
    num_key_value_groups = 2


def rankings_of(lengths):
    examples = [example(range(P), *[range(R) for R in responses]) for P, responses in lengths]
    return shared_row(examples).rankings


def inputs(tokens, dtype):
    """Return a query of 4 heads, a key and a value of 2, in the memory layout of models."""
    generator = torch.Generator().manual_seed(tokens)
    return tuple(
        torch.randn(1, tokens, heads, 8, dtype=dtype, generator=generator)
        .transpose(1, 2)
        .requires_grad_()
        for heads in (4, 2, 2)
    )


def by_dense_mask(query, key, value, rankings, scale):
    return F.scaled_dot_product_attention(
        query, key, value, dense_mask(rankings, CPU), scale=scale, enable_gqa=True
    ).transpose(1, 2)


def test_a_response_attends_to_its_prompt_and_itself():
    mask = dense_mask(rankings_of([(2, [2, 1]), (1, [1])]), CPU)[0, 0].int().tolist()
    assert mask == [
        [1, 0, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0, 0],
        [1, 1, 1, 0, 0, 0, 0],
        [1, 1, 1, 1, 0, 0, 0],
        [1, 1, 0, 0, 1, 0, 0],
        [0, 0, 0, 0, 0, 1, 0],
        [0, 0, 0, 0, 0, 1, 1],
    ]


@settings(max_examples=30)
@given(lengths=ROWS)
def test_blocks_give_the_output_and_gradients_of_the_dense_mask(lengths):
    rankings = rankings_of(lengths)
    arguments = inputs(rankings[-1].stop, torch.float64)
    found, _ = attend(Layer(), *arguments, None, 0.3, **{ATTENTION_KEYWORD: RowAttention(rankings)})
    expected = by_dense_mask(*arguments, rankings, 0.3)
    torch.testing.assert_close(found, expected, atol=1e-12, rtol=1e-12)
    upstream = torch.randn_like(expected)
    for one, other in zip(
        torch.autograd.grad(found, arguments, upstream),
        torch.autograd.grad(expected, arguments, upstream),
        strict=True,
    ):
        torch.testing.assert_close(one, other, atol=1e-12, rtol=1e-12)


def test_blocks_in_bf16_stay_near_float32():
    rankings = rankings_of([(5, [3, 3, 4]), (6, [2])])
    arguments = inputs(rankings[-1].stop, torch.float32)
    halved = [x.bfloat16() for x in arguments]
    found, _ = attend(Layer(), *halved, None, 0.3, **{ATTENTION_KEYWORD: RowAttention(rankings)})
    assert found.dtype == torch.bfloat16
    expected = by_dense_mask(*arguments, rankings, 0.3)
    torch.testing.assert_close(found.float(), expected, atol=0.03, rtol=0.03)


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
def test_flex_gives_the_output_of_the_dense_mask():
    rankings = rankings_of([(5, [3, 3, 4]), (6, [2])])
    row = RowAttention(rankings, block_mask(rankings, CPU))
    # On the CPU, flex_attention raises an error for inputs that require gradients.
    arguments = [x.detach() for x in inputs(rankings[-1].stop, torch.float32)]
    found, _ = attend(Layer(), *arguments, None, 0.3, **{ATTENTION_KEYWORD: row})
    expected = by_dense_mask(*arguments, rankings, 0.3)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("name", ["softcap", "s_aux", "position_bias", "sliding_window"])
def test_unsupported_arguments_are_refused(name):
    rankings = rankings_of([(2, [1, 1])])
    arguments = inputs(rankings[-1].stop, torch.float32)
    with pytest.raises(ValueError, match=name):
        attend(
            Layer(), *arguments, None, 0.3, **{ATTENTION_KEYWORD: RowAttention(rankings), name: 4}
        )


def test_without_row_attention_it_is_the_attention_of_torch():
    arguments = inputs(9, torch.float32)
    found, _ = attend(Layer(), *arguments, None, 0.3, is_causal=True)
    expected = F.scaled_dot_product_attention(
        *arguments, is_causal=True, scale=0.3, enable_gqa=True
    ).transpose(1, 2)
    torch.testing.assert_close(found, expected)
