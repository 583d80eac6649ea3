"""Lay out token ids as tensors: all rankings in one row, or one row per response.

Shapes: N rankings, K responses of the widest ranking, P prompt tokens, R response tokens, T row
tokens, B responses of all rankings.
"""
# ruff: noqa: N815 - shapes in names

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import torch
from torch import Tensor

from training.backbones.shared_prefix import RankingSpan, ResponseRun
from training.data.examples import Example, Tokens


@dataclass(frozen=True, slots=True)
class SharedRow:
    """Rankings one after another in a row without padding, as [prompt][response 1]...[response K].

    The positions of every response continue those of the prompt.
    """

    tokens_1T: Tensor
    positions_1T: Tensor
    rankings: tuple[RankingSpan, ...]
    ends_B: Tensor
    """Index in the row of the last token of each response."""


@dataclass(frozen=True, slots=True)
class PaddedRows:
    """One row per response, as [prompt][response], padded on the right."""

    tokens_BT: Tensor
    attention_BT: Tensor
    ends_B: Tensor


@dataclass(frozen=True, slots=True)
class MemoryRows:
    """Prompts and responses apart, for a model that reads the responses with a memory."""

    prompts_NP: Tensor
    prompt_lengths_N: Tensor
    responses_NKR: Tensor
    ends_NK: Tensor


def response_mask(examples: Sequence[Example]) -> Tensor:
    """Return a mask (N, K) that is True for each response, False if a ranking has fewer than K."""
    counts_N = torch.tensor([len(example.responses) for example in examples])
    return torch.arange(int(counts_N.max())) < counts_N[:, None]


def scatter_rewards(rewards_B: Tensor, examples: Sequence[Example]) -> Tensor:
    """Return the rewards as (N, K), with 0 where a ranking has fewer than K responses."""
    mask_NK = response_mask(examples).to(rewards_B.device)
    return torch.zeros(
        mask_NK.shape, dtype=rewards_B.dtype, device=rewards_B.device
    ).masked_scatter(mask_NK, rewards_B)


def shared_row(examples: Sequence[Example], pad: int = 0, multiple: int = 1) -> SharedRow:
    """Return all examples in one row, padded to a length that is a multiple of `multiple`.

    The padding is treated as another prompt, which has no responses.
    """
    parts = [part for example in examples for part in (example.prompt, *example.responses)]
    positions = [
        np.arange(first, first + len(part))
        for example in examples
        for first, part in _parts_with_positions(example)
    ]
    stops = np.cumsum([len(part) for part in parts])
    is_response = np.array([place > 0 for e in examples for place in range(1 + len(e.responses))])
    rankings = []
    start = 0
    for example in examples:
        rankings.append(_ranking_span(example, start))
        start = rankings[-1].stop
    if fill := -start % multiple:
        parts.append(np.full(fill, pad, dtype=np.int32))
        positions.append(np.zeros(fill, dtype=np.int64))  # a model may have few positions
        rankings.append(RankingSpan(start, start + fill, ()))
    return SharedRow(
        tokens_1T=torch.from_numpy(np.concatenate(parts).astype(np.int64))[None],
        positions_1T=torch.from_numpy(np.concatenate(positions))[None],
        rankings=tuple(rankings),
        ends_B=torch.from_numpy(stops[is_response] - 1),
    )


def _parts_with_positions(example: Example) -> Iterator[tuple[int, Tokens]]:
    """Yield the prompt and each response, after the position of its first token."""
    yield 0, example.prompt
    for response in example.responses:
        yield len(example.prompt), response


def _ranking_span(example: Example, start: int) -> RankingSpan:
    runs = []
    prompt_stop = at = start + len(example.prompt)
    for length, equals in groupby(len(response) for response in example.responses):
        runs.append(ResponseRun(at, len(list(equals)), length))
        at = runs[-1].stop
    return RankingSpan(start, prompt_stop, tuple(runs))


def padded_rows(examples: Sequence[Example], pad: int) -> PaddedRows:
    pairs = [(example.prompt, response) for example in examples for response in example.responses]
    T = max(len(prompt) + len(response) for prompt, response in pairs)
    tokens_BT = np.full((len(pairs), T), pad, dtype=np.int64)
    attention_BT = np.zeros((len(pairs), T), dtype=np.int64)
    ends_B = np.zeros(len(pairs), dtype=np.int64)
    for b, (prompt, response) in enumerate(pairs):
        stop = len(prompt) + len(response)
        tokens_BT[b, :stop] = np.concatenate([prompt, response])
        attention_BT[b, :stop] = 1
        ends_B[b] = stop - 1
    return PaddedRows(
        tokens_BT=torch.from_numpy(tokens_BT),
        attention_BT=torch.from_numpy(attention_BT),
        ends_B=torch.from_numpy(ends_B),
    )


def memory_rows(examples: Sequence[Example], pad: int) -> MemoryRows:
    N, K = len(examples), max(len(example.responses) for example in examples)
    P = max(len(example.prompt) for example in examples)
    R = max(len(response) for example in examples for response in example.responses)
    prompts_NP = np.full((N, P), pad, dtype=np.int64)
    responses_NKR = np.full((N, K, R), pad, dtype=np.int64)
    ends_NK = np.zeros((N, K), dtype=np.int64)
    for n, example in enumerate(examples):
        prompts_NP[n, : len(example.prompt)] = example.prompt
        for k, response in enumerate(example.responses):
            responses_NKR[n, k, : len(response)] = response
            ends_NK[n, k] = len(response) - 1
    lengths_N = np.array([len(example.prompt) for example in examples])
    return MemoryRows(
        prompts_NP=torch.from_numpy(prompts_NP),
        prompt_lengths_N=torch.from_numpy(lengths_N),
        responses_NKR=torch.from_numpy(responses_NKR),
        ends_NK=torch.from_numpy(ends_NK),
    )


def shared_size(examples: Sequence[Example]) -> int:
    """Return the number of tokens that a model computes for a SharedRow."""
    return sum(example.tokens for example in examples)


def padded_size(examples: Sequence[Example]) -> int:
    """Return the number of tokens that a model computes for PaddedRows, with padding."""
    rows = sum(len(example.responses) for example in examples)
    return rows * max(
        len(example.prompt) + max(len(response) for response in example.responses)
        for example in examples
    )


def memory_size(examples: Sequence[Example]) -> int:
    """Return the number of tokens that a model computes for MemoryRows, with padding."""
    P = max(len(example.prompt) for example in examples)
    K = max(len(example.responses) for example in examples)
    R = max(len(response) for example in examples for response in example.responses)
    return len(examples) * (P + K * R)
