"""Rewards without gradients, in bounded memory.

Shapes: N examples, K responses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

import torch

from training.backbones.backbone import Backbone
from training.data.examples import IDLE, Example
from training.data.packing import buckets
from training.distributed.device import Device
from training.runs.signals import check

WINDOW = 512
"""Examples among which some of like length are found for a batch."""


def compute_rewards(
    backbone: Backbone,
    examples: Iterable[Example],
    device: Device,
    budget: int,
    tick: Callable[[int], None] = lambda responses: None,
) -> Iterator[list[float]]:
    """Yield the rewards of each example's responses, in order, from batches of `budget` tokens.

    `tick` is called after each batch with the number of its responses. Where several processes
    share the weights, each has examples of its own, and all must read this to its end.
    """
    for window in _windows(split_up(examples, budget)):
        rewards: dict[int, list[float]] = {}
        for bucket in buckets([part for _, part in window], backbone.size, budget):
            parts = [window[place][1] for place in bucket]
            device.group.should_compute(True)
            if not device.group.sharded:  # as in a step
                check()
            rewards |= zip(bucket, _rewards(backbone, parts, device), strict=True)
            tick(sum(len(part.responses) for part in parts))
        yield from _joined([(last, rewards[place]) for place, (last, _) in enumerate(window)])
    while device.group.should_compute(False):
        _rewards(backbone, [IDLE], device)


def split_up(examples: Iterable[Example], budget: int) -> Iterator[tuple[bool, Example]]:
    """Yield parts of each example, with at most `budget` tokens or one response.

    Each comes with True if it is the last part of its example.
    """
    for example in examples:
        part: list[int] = []
        tokens = len(example.prompt)
        for place, response in enumerate(example.responses):
            if part and tokens + len(response) > budget:
                yield False, Example(example.prompt, [example.responses[i] for i in part])
                part, tokens = [], len(example.prompt)
            part.append(place)
            tokens += len(response)
        yield True, Example(example.prompt, [example.responses[i] for i in part])


def _windows(parts: Iterator[tuple[bool, Example]]) -> Iterator[list[tuple[bool, Example]]]:
    """Yield about WINDOW parts at a time, with all parts of an example in one window."""
    while window := list(islice(parts, WINDOW)):
        while not window[-1][0]:
            window.append(next(parts))
        yield window


def _joined(parts: list[tuple[bool, list[float]]]) -> Iterator[list[float]]:
    """Yield the rewards of each example, joined from those of its parts."""
    whole: list[float] = []
    for last, rewards in parts:
        whole += rewards
        if last:
            yield whole
            whole = []


@torch.no_grad()
def _rewards(backbone: Backbone, parts: list[Example], device: Device) -> list[list[float]]:
    with device.autocast():
        rewards_NK = backbone.rewards(parts).float().tolist()
    return [row[: len(part.responses)] for row, part in zip(rewards_NK, parts, strict=True)]
