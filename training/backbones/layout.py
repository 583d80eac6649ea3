"""Token ids as tensors: all rankings in one row, or one row per response.

Shapes: N rankings, K responses of the widest ranking, P prompt tokens, R response tokens, T row
tokens, B = sum of the rankings' numbers of responses.
"""
# ruff: noqa: N815 - shapes in names

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import torch
from torch import Tensor

from training.backbones.shared_prefix import Prefix, Run
from training.data.examples import Example, Tokens


@dataclass(frozen=True, slots=True)
class SharedRow:
    """[prompt][response 1]...[response K] of one ranking behind the other, without any padding.

    Positions restart behind the prompt for every response.
    """

    tokens_1T: Tensor
    positions_1T: Tensor
    rankings: tuple[Prefix, ...]
    ends_B: Tensor
    """Place in the row of each response's last token."""


@dataclass(frozen=True, slots=True)
class PaddedRows:
    """[prompt][response] in a row of its own, padded on the right."""

    tokens_BT: Tensor
    attention_BT: Tensor
    ends_B: Tensor


@dataclass(frozen=True, slots=True)
class MemoryRows:
    """Prompts beside responses, for a model that reads the one with the other in memory."""

    prompts_NP: Tensor
    prompt_lengths_N: Tensor
    responses_NKR: Tensor
    ends_NK: Tensor


def present(examples: Sequence[Example]) -> Tensor:
    """True (N, K) where a response is, False where a ranking has fewer than K."""
    counts_N = torch.tensor([len(example.responses) for example in examples])
    return torch.arange(int(counts_N.max())) < counts_N[:, None]


def spread(rewards_B: Tensor, examples: Sequence[Example]) -> Tensor:
    """(N, K), 0 where a ranking has fewer than K responses."""
    present_NK = present(examples).to(rewards_B.device)
    return torch.zeros(
        present_NK.shape, dtype=rewards_B.dtype, device=rewards_B.device
    ).masked_scatter(present_NK, rewards_B)


def shared_row(examples: Sequence[Example], pad: int = 0, multiple: int = 1) -> SharedRow:
    """One row of all the examples' tokens, filled up with `pad` to a multiple of some length.

    What fills it up stands as a prompt of its own that has no responses.
    """
    parts = [part for example in examples for part in (example.prompt, *example.responses)]
    positions = [
        np.arange(first, first + len(part))
        for example in examples
        for first, part in _placed(example)
    ]
    stops = np.cumsum([len(part) for part in parts])
    is_response = np.array([place > 0 for e in examples for place in range(1 + len(e.responses))])
    rankings = []
    start = 0
    for example in examples:
        rankings.append(_prefix(example, start))
        start = rankings[-1].stop
    if fill := -start % multiple:
        parts.append(np.full(fill, pad, dtype=np.int32))
        positions.append(np.zeros(fill, dtype=np.int64))  # a model may know few positions
        rankings.append(Prefix(start, start + fill, ()))
    return SharedRow(
        tokens_1T=torch.from_numpy(np.concatenate(parts).astype(np.int64))[None],
        positions_1T=torch.from_numpy(np.concatenate(positions))[None],
        rankings=tuple(rankings),
        ends_B=torch.from_numpy(stops[is_response] - 1),
    )


def _placed(example: Example) -> Iterator[tuple[int, Tokens]]:
    """(position of its first token, tokens) of the prompt and of each response."""
    yield 0, example.prompt
    for response in example.responses:
        yield len(example.prompt), response


def _prefix(example: Example, start: int) -> Prefix:
    runs = []
    prompt_stop = at = start + len(example.prompt)
    for length, group in groupby(len(response) for response in example.responses):
        runs.append(Run(at, len(list(group)), length))
        at = runs[-1].stop
    return Prefix(start, prompt_stop, tuple(runs))


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
    arrays = (tokens_BT, attention_BT, ends_B)
    return PaddedRows(*(torch.from_numpy(array) for array in arrays))


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
    arrays = (prompts_NP, lengths_N, responses_NKR, ends_NK)
    return MemoryRows(*(torch.from_numpy(array) for array in arrays))


def shared_size(examples: Sequence[Example]) -> int:
    """Tokens that SharedRow makes a model compute."""
    return sum(example.tokens for example in examples)


def padded_size(examples: Sequence[Example]) -> int:
    """Tokens that PaddedRows makes a model compute, padding counted."""
    rows = sum(len(example.responses) for example in examples)
    return rows * max(
        len(example.prompt) + max(len(response) for response in example.responses)
        for example in examples
    )


def memory_size(examples: Sequence[Example]) -> int:
    """Tokens that MemoryRows makes a model compute, padding counted."""
    P = max(len(example.prompt) for example in examples)
    K = max(len(example.responses) for example in examples)
    R = max(len(response) for example in examples for response in example.responses)
    return len(examples) * (P + K * R)
