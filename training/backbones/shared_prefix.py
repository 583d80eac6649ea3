"""Attention in a row of several rankings, each [prompt][response 1]...[response K].

A prompt attends causally to itself. A response attends to its prompt and causally to itself. Three
kinds of attention compute the same result:

blocks  Some calls of torch's flash attention per ranking, on slices of the row: nothing is computed
        in vain, and nothing is copied for each response. For CPUs.
flex    FlexAttention with a block mask, one call per row. For CUDA.
dense   scaled_dot_product_attention with a mask over the whole row. For every model that accepts
        such a mask.

blocks and flex are registered with transformers' AttentionInterface as ATTENTION_NAME. Models pass
the RowAttention of a row to it as the keyword argument ATTENTION_KEYWORD.

Shapes: T row tokens, H heads, G heads of keys and values, D head width, K responses of one length,
R tokens of each.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.attention.flex_attention import BlockMask, create_block_mask, flex_attention
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import repeat_kv, sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

AttentionKind = Literal["blocks", "flex", "dense"]
ATTENTION_NAME = "podium_shared_prefix"
ATTENTION_KEYWORD = "shared_prefix"


class ResponseRun(NamedTuple):
    """Neighbouring responses of equal length in a row."""

    start: int
    responses: int
    length: int

    @property
    def stop(self) -> int:
        return self.start + self.responses * self.length


@dataclass(frozen=True, slots=True)
class RankingSpan:
    """The span of a ranking in its row: the prompt, directly followed by its responses."""

    start: int
    prompt_stop: int
    runs: tuple[ResponseRun, ...]

    @property
    def stop(self) -> int:
        return self.runs[-1].stop if self.runs else self.prompt_stop


@dataclass(frozen=True, slots=True)
class RowAttention:
    """The attention of a row: flex if it has a block mask of the whole row, otherwise blocks."""

    rankings: tuple[RankingSpan, ...]
    blocks: BlockMask | None = None

    def attend(self, query_1HTD: Tensor, key_1GTD: Tensor, value_1GTD: Tensor, scale: float) -> Any:
        """Return the output (1, H, T, D)."""
        times = query_1HTD.shape[1] // key_1GTD.shape[1]
        if self.blocks is None:
            key_1HTD, value_1HTD = repeat_kv(key_1GTD, times), repeat_kv(value_1GTD, times)
            return BlocksAttention.apply(query_1HTD, key_1HTD, value_1HTD, scale, self.rankings)
        flex = _compiled_flex() if query_1HTD.is_cuda else flex_attention
        row = (query_1HTD, key_1GTD, value_1GTD)
        return flex(*row, block_mask=self.blocks, scale=scale, enable_gqa=times > 1)


def segments(rankings: tuple[RankingSpan, ...]) -> tuple[Tensor, Tensor]:
    """Return each token's ranking (T,) and its segment (T,): 0 in a prompt, 1..K in a response."""
    counts: list[int] = []
    ranking: list[int] = []
    segment: list[int] = []
    for number, span in enumerate(rankings):
        lengths = [span.prompt_stop - span.start]
        lengths += [run.length for run in span.runs for _ in range(run.responses)]
        counts += lengths
        ranking += [number] * len(lengths)
        segment += range(len(lengths))
    repeats = torch.tensor(counts)
    return (
        torch.tensor(ranking).repeat_interleave(repeats),
        torch.tensor(segment).repeat_interleave(repeats),
    )


def dense_mask(rankings: tuple[RankingSpan, ...], device: torch.device) -> Tensor:
    """Return a mask (1, 1, T, T) that is True where query (dimension 2) may attend to key (3)."""
    ranking_T, segment_T = (part.to(device) for part in segments(rankings))
    T = len(ranking_T)
    back_TT = torch.ones(T, T, dtype=torch.bool, device=device).tril()
    own_TT = segment_T[:, None] == segment_T[None, :]
    same_TT = ranking_T[:, None] == ranking_T[None, :]
    return (back_TT & same_TT & (own_TT | (segment_T == 0)[None, :]))[None, None]


def block_mask(rankings: tuple[RankingSpan, ...], device: torch.device) -> BlockMask:
    """Return the mask for FlexAttention, which skips blocks that are masked completely."""
    ranking_T, segment_T = (part.to(device) for part in segments(rankings))

    def allowed(b: Tensor, h: Tensor, query: Tensor, key: Tensor) -> Tensor:
        own = (segment_T[query] == segment_T[key]) | (segment_T[key] == 0)
        return (query >= key) & (ranking_T[query] == ranking_T[key]) & own

    T = len(ranking_T)
    return create_block_mask(allowed, None, None, T, T, device=str(device))


def attend(
    module: torch.nn.Module,
    query_1HTD: Tensor,
    key_1GTD: Tensor,
    value_1GTD: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Return attention (1, T, H, D), for models that call transformers' AttentionInterface.

    Raises ValueError for dropout, soft caps, sinks and windows, which blocks and flex lack.
    """
    row: RowAttention | None = kwargs.pop(ATTENTION_KEYWORD, None)
    if row is None:  # not a row of the shared layout
        return sdpa_attention_forward(
            module, query_1HTD, key_1GTD, value_1GTD, attention_mask, dropout, scaling, **kwargs
        )
    for name in ("softcap", "s_aux", "position_bias", "sliding_window"):
        if kwargs.get(name) is not None:
            raise ValueError(f"attention over a shared prefix does not support {name}")
    if dropout:
        raise ValueError("attention over a shared prefix does not support dropout")
    # Rotary positions may leave query and key in float32 under autocast.
    query_1HTD, key_1GTD = query_1HTD.to(value_1GTD.dtype), key_1GTD.to(value_1GTD.dtype)
    scale = scaling if scaling is not None else query_1HTD.shape[-1] ** -0.5
    output_1HTD = row.attend(query_1HTD, key_1GTD, value_1GTD, scale)
    return output_1HTD.transpose(1, 2), None


AttentionInterface.register(ATTENTION_NAME, attend)
AttentionMaskInterface.register(ATTENTION_NAME, sdpa_mask)


@cache
def _compiled_flex() -> Any:
    # Dynamic shapes, because rows have many lengths. With fullgraph, torch raises an error where it
    # would otherwise stop compiling and hold the scores of all pairs of tokens in memory.
    return torch.compile(flex_attention, dynamic=True, fullgraph=True)


def flash_attention(*args: Any, **kwargs: Any) -> Any:
    """Call torch's flash attention for CPUs, and return its output and log-sum-exp.

    The operator is private to torch. PretrainedBackbone uses it only if it gives the rewards and
    gradients of the padded layout, and not if it raises AttributeError because torch lacks it.
    """
    return torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(*args, **kwargs)


def flash_attention_backward(*args: Any, **kwargs: Any) -> Any:
    """Call torch's operator for the gradients of flash_attention."""
    return torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward(*args, **kwargs)


class BlocksAttention(torch.autograd.Function):
    """Compute exact attention from parts without masked blocks.

    The softmax of a response is over its prompt and itself. Flash attention computes each part and
    its log-sum-exp l. With l = logaddexp(l_prompt, l_self), the output is the sum of the parts,
    weighted by exp(l_part - l) (Dao et al. 2022, arXiv 2205.14135, section 3.1). The backward pass
    of each part gets the whole output and l, and so computes with the exact softmax.
    """

    @staticmethod
    def forward(
        ctx: Any,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        scale: float,
        rankings: tuple[RankingSpan, ...],
    ) -> Tensor:
        """Return the output (1, H, T, D); query, key and value have that shape too."""
        out = _like_rows(query)
        sums_1HT = torch.empty(
            query.shape[:3], dtype=torch.promote_types(query.dtype, torch.float32)
        )
        for part in _parts(rankings):
            q, k, v = query[part.queries], key[part.keys], value[part.keys]
            if part.sequences > 1:
                q, k, v = (_fold(x, part.sequences) for x in (q, k, v))
            found, sums = flash_attention(q, k, v, is_causal=part.causal, scale=scale)
            if part.sequences > 1:
                found, sums = _unfold(found), _unfold(sums[..., None])[..., 0]
            if part.first:
                out[part.queries], sums_1HT[part.queries] = found, sums
            else:
                _merge(out[part.queries], sums_1HT[part.queries], found, sums)
        ctx.save_for_backward(query, key, value, out, sums_1HT)
        ctx.scale, ctx.rankings = scale, rankings
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, out, sums_1HT = ctx.saved_tensors
        grads = tuple(_like_rows(x) for x in (query, key, value))
        grad_query, grad_key, grad_value = grads
        for part in _parts(ctx.rankings):
            inputs = [gradient[part.queries], query[part.queries]]
            inputs += [key[part.keys], value[part.keys], out[part.queries]]
            sums = sums_1HT[part.queries]
            if part.sequences > 1:
                inputs = [_fold(x, part.sequences) for x in inputs]
                sums = _fold(sums[..., None], part.sequences)[..., 0].contiguous()
            found = flash_attention_backward(*inputs, sums, 0.0, part.causal, scale=ctx.scale)
            if part.sequences > 1:
                found = [_unfold(x) for x in found]
            _put(grad_query[part.queries], found[0], add=not part.first)
            _put(grad_key[part.keys], found[1], add=not part.causal)
            _put(grad_value[part.keys], found[2], add=not part.causal)
        return grad_query, grad_key, grad_value, None, None


class _Part(NamedTuple):
    """One call of flash attention, of some queries over some keys."""

    queries: tuple[slice, ...]
    keys: tuple[slice, ...]
    causal: bool
    sequences: int
    """Number of consecutive sequences of equal length that attend only to themselves."""
    first: bool
    """True for the first part with these queries."""


def _parts(rankings: tuple[RankingSpan, ...]) -> Iterator[_Part]:
    for span in rankings:
        prompt = _tokens(span.start, span.prompt_stop)
        has_prompt = span.start < span.prompt_stop
        if has_prompt:
            yield _Part(prompt, prompt, causal=True, sequences=1, first=True)
            responses = _tokens(span.prompt_stop, span.stop)
            yield _Part(responses, prompt, causal=False, sequences=1, first=True)
        for run in span.runs:
            own = _tokens(run.start, run.stop)
            yield _Part(own, own, causal=True, sequences=run.responses, first=not has_prompt)


def _tokens(start: int, stop: int) -> tuple[slice, ...]:
    return slice(None), slice(None), slice(start, stop)


def _fold(x_1HTD: Tensor, count: int) -> Tensor:
    """Return a view of (1, H, K * R, D) as (K, H, R, D)."""
    return x_1HTD[0].unflatten(1, (count, -1)).transpose(0, 1)


def _unfold(x_KHRD: Tensor) -> Tensor:
    """Return (K, H, R, D) as (1, H, K * R, D)."""
    return x_KHRD.transpose(0, 1).flatten(1, 2)[None]


def _merge(out: Tensor, sums: Tensor, more: Tensor, more_sums: Tensor) -> None:
    """Merge another part into an output and its log-sum-exp, in place."""
    total = torch.logaddexp(sums, more_sums)
    share = (sums - total).exp_()[..., None].to(out.dtype)
    out.copy_(torch.lerp(more, out, share))
    sums.copy_(total)


def _put(into: Tensor, gradient: Tensor, *, add: bool) -> None:
    if add:
        into.add_(gradient)
    else:
        into.copy_(gradient)


def _like_rows(x_1HTD: Tensor) -> Tensor:
    """Return an empty tensor of the same shape, contiguous as (1, T, H, D), as models need it."""
    return torch.empty_like(
        x_1HTD.transpose(1, 2), memory_format=torch.contiguous_format
    ).transpose(1, 2)
