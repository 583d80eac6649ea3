"""The state of a run: steps and tokens so far, held-out losses, random generators."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import astuple, dataclass, field, fields
from typing import Any, TypeVar

import torch
from torch import Tensor

from training.distributed.processes import SINGLE_PROCESS, ProcessGroup
from training.errors import StoppedError
from training.runs.signals import asked, stopped

MIN_TOKENS = 16
"""Tokens per batch below which a batch is not halved again."""
Result = TypeVar("Result")


@dataclass(slots=True)
class StepStats:
    """Hold sums over the elements of steps, each taken before the update that it led to."""

    elements: int = 0
    rankings: int = 0
    """With shuffled batching, every comparison is a ranking of two."""
    comparisons: int = 0
    agreed: float = 0.0
    loss_sum: float = 0.0
    """Sum of the elements' losses."""
    tokens: int = 0

    def __iadd__(self, other: StepStats) -> StepStats:
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))
        return self

    def over(self, group: ProcessGroup) -> StepStats:
        """Return the sums over all processes. Each of them must call this."""
        elements, rankings, comparisons, agreed, loss_sum, tokens = group.sum(astuple(self))
        return StepStats(
            int(elements), int(rankings), int(comparisons), agreed, loss_sum, int(tokens)
        )

    @property
    def loss(self) -> float:
        return self.loss_sum / self.elements if self.elements else math.nan

    @property
    def accuracy(self) -> float:
        return self.agreed / self.comparisons if self.comparisons else math.nan

    def metrics(self, prompts: int) -> dict[str, Any]:
        """Return the entries of metrics.json on the training prompts, this many of them."""
        return {
            "prompts": prompts,
            "rankings": self.rankings,
            "comparisons": self.comparisons,
            "loss": self.loss,
            "accuracy": self.accuracy,
        }


def random_state() -> dict[str, Tensor]:
    """Return the states of torch's random generators, by device."""
    found = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        found["cuda"] = torch.cuda.get_rng_state()
    return found


@dataclass(slots=True)
class TrainState:
    """Hold everything that a run resumes from but its weights and its optimiser's state."""

    tokens_per_batch: int
    """The setting, or less once memory has run out."""
    step: int = 0
    """Steps done."""
    seconds: float = 0.0
    """Time from the start of the run to the end of its last step."""
    step_seconds: float = 0.0
    """Time spent on steps alone."""
    reading_seconds: float = 0.0
    """Part of that time spent on reading tokens, while nothing is computed."""
    tokens: int = 0
    last_epoch: StepStats = field(default_factory=StepStats)
    held_out: dict[int, float] = field(default_factory=dict)
    """Losses that choose the weights, by the number of steps done before each evaluation: those on
    the held-out side, or on a part of the training side."""
    before: dict[str, Any] = field(default_factory=dict)
    """The held-out evaluation of a reward model before the first step; empty for other models."""
    random: dict[str, Tensor] = field(default_factory=random_state)
    """The random generators at the end of the last step."""

    def record_step(
        self, stats: StepStats, *, new_epoch: bool, seconds: float, took: float, reading: float
    ) -> None:
        """Count a finished step. `seconds` is the age of the run, the others are durations."""
        self.last_epoch = StepStats() if new_epoch else self.last_epoch
        self.last_epoch += stats
        self.tokens += stats.tokens
        self.seconds = seconds
        self.step_seconds += took
        self.reading_seconds += reading
        self.random = random_state()
        self.step += 1

    def restore_random(self) -> None:
        """Set torch's random generators to their states at the end of the last step."""
        torch.set_rng_state(self.random["cpu"])
        if "cuda" in self.random and torch.cuda.is_available():
            torch.cuda.set_rng_state(self.random["cuda"])

    @property
    def best(self) -> int:
        """Return the step with the lowest loss, the first of equals."""
        return min(self.held_out, key=lambda step: (self.held_out[step], step))

    def would_be_best(self, loss: float) -> bool:
        """Return True if the loss is lower than in every evaluation so far."""
        return all(loss < found for found in self.held_out.values())

    def is_stuck(self, patience: int) -> bool:
        """Return True if `patience` evaluations have passed since the best; never if it is 0."""
        return 0 < patience <= sum(step > self.best for step in self.held_out)

    def with_oom_backoff(
        self,
        compute: Callable[[int], Result],
        say: Callable[[str], None],
        before_retry: Callable[[], object] = lambda: None,
        group: ProcessGroup = SINGLE_PROCESS,
    ) -> Result:
        """Return compute(tokens per batch), halving the batch for as long as memory runs out.

        The smaller batch holds for the rest of the run, and in all processes: they retry together.
        Raises torch.OutOfMemoryError where the processes share the weights, because then they
        cannot retry, and where not even one small example fits. Raises StoppedError, in all
        processes, where a signal came to one of them.
        """
        while True:
            found: Result | None = None
            try:
                found = compute(self.tokens_per_batch)
            except torch.OutOfMemoryError:
                if group.sharded or self.tokens_per_batch // 2 < MIN_TOKENS:
                    raise
            except StoppedError:
                pass  # all of them stop, below
            failed, number = group.max([found is None, asked()])
            if number:
                raise stopped(number)
            if found is not None and not failed:
                return found
            # Outside the except clause, whose traceback keeps the tensors of the failed try alive.
            self.tokens_per_batch //= 2
            before_retry()
            self.restore_random()
            torch.cuda.empty_cache()
            say(f"out of memory: going on with --tokens-per-batch {self.tokens_per_batch}")
