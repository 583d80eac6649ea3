"""Token ids as tensors: one row per ranking, or one row per response.

Shapes: N rankings, K responses of the widest ranking, P prompt tokens, R response tokens, T row
tokens, B = sum of the rankings' numbers of responses.
"""
# ruff: noqa: N815 - shapes in names

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.attention import PADDING

Tokens = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Example:
    """A prompt and the responses to it that are scored together, as token ids."""

    prompt: Tokens
    responses: Sequence[Tokens]

    @property
    def tokens(self) -> int:
        """What one pass has to compute when the prompt is shared: P + the sum of R."""
        return len(self.prompt) + sum(len(response) for response in self.responses)


@dataclass(frozen=True, slots=True)
class SharedRows:
    """[prompt][response 1]...[response K] in one row; positions restart behind the prompt."""

    tokens_NT: Tensor
    positions_NT: Tensor
    segments_NT: Tensor
    """0 for the prompt, k for response k, PADDING behind the last one."""
    ends_NK: Tensor
    """Place in the row of each response's last token; 0 where there is no response."""


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


def shared_rows(examples: Sequence[Example], pad: int) -> SharedRows:
    N, K = len(examples), max(len(example.responses) for example in examples)
    T = max(example.tokens for example in examples)
    tokens_NT = np.full((N, T), pad, dtype=np.int64)
    positions_NT = np.zeros((N, T), dtype=np.int64)
    segments_NT = np.full((N, T), PADDING, dtype=np.int64)
    ends_NK = np.zeros((N, K), dtype=np.int64)
    for n, example in enumerate(examples):
        start, prefix = 0, len(example.prompt)
        for segment, part in enumerate([example.prompt, *example.responses]):
            stop = start + len(part)
            first = 0 if segment == 0 else prefix
            tokens_NT[n, start:stop] = part
            positions_NT[n, start:stop] = np.arange(first, first + len(part))
            segments_NT[n, start:stop] = segment
            if segment:
                ends_NK[n, segment - 1] = stop - 1
            start = stop
    arrays = (tokens_NT, positions_NT, segments_NT, ends_NK)
    return SharedRows(*(torch.from_numpy(array) for array in arrays))


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
    """Tokens that SharedRows makes a model compute, padding counted."""
    return len(examples) * max(example.tokens for example in examples)


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


def buckets(
    examples: Sequence[Example], size: Callable[[Sequence[Example]], int], budget: int
) -> Iterator[list[int]]:
    """Places of examples of like length, as many at a time as fit into `budget` tokens.

    Every example comes up once; one that is larger than the budget comes alone.
    """
    bucket: list[int] = []
    for place in sorted(range(len(examples)), key=lambda i: -size([examples[i]])):
        wider = [*bucket, place]
        if bucket and size([examples[i] for i in wider]) > budget:
            yield bucket
            wider = [place]
        bucket = wider
    if bucket:
        yield bucket
