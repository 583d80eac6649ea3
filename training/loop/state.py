"""How far a run has come."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import torch
from torch import Tensor

from training.distributed.processes import ALONE, Processes
from training.errors import StoppedError
from training.loop.step import Tally
from training.runs.signals import asked, stopped

LEAST_TOKENS = 16
Result = TypeVar("Result")


def random_state() -> dict[str, Tensor]:
    """Of torch's generators, by device."""
    found = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        found["cuda"] = torch.cuda.get_rng_state()
    return found


@dataclass(slots=True)
class Standing:
    """With weights and optimiser, all that decides how a run goes on."""

    tokens_per_batch: int
    """As the settings say, or less after running out of memory."""
    step: int = 0
    """Steps done."""
    seconds: float = 0.0
    step_seconds: float = 0.0
    """Spent on steps alone."""
    reading_seconds: float = 0.0
    """Of these, spent on reading tokens: nothing is computed meanwhile."""
    tokens: int = 0
    last_epoch: Tally = field(default_factory=Tally)
    held_out: dict[int, float] = field(default_factory=dict)
    """Held-out loss, by the steps done when it was found."""
    random: dict[str, Tensor] = field(default_factory=random_state)
    """As it was when the last step was done."""

    def count(
        self, done: Tally, *, new_epoch: bool, seconds: float, took: float, reading: float
    ) -> None:
        """One more step is done, so many seconds after the run began."""
        self.last_epoch = Tally() if new_epoch else self.last_epoch
        self.last_epoch += done
        self.tokens += done.tokens
        self.seconds = seconds
        self.step_seconds += took
        self.reading_seconds += reading
        self.random = random_state()
        self.step += 1

    def restore_random(self) -> None:
        torch.set_rng_state(self.random["cpu"])
        if "cuda" in self.random and torch.cuda.is_available():
            torch.cuda.set_rng_state(self.random["cuda"])

    @property
    def best(self) -> int:
        """The step with the lowest held-out loss, the first of equals."""
        return min(self.held_out, key=lambda step: (self.held_out[step], step))

    def would_be_best(self, loss: float) -> bool:
        """Whether no evaluation so far found so low a held-out loss."""
        return all(loss < found for found in self.held_out.values())

    def is_stuck(self, patience: int) -> bool:
        """Whether so many evaluations have not found a better loss. Never with a patience of 0."""
        return 0 < patience <= sum(step > self.best for step in self.held_out)

    def within_memory(
        self,
        compute: Callable[[int], Result],
        say: Callable[[str], None],
        before_again: Callable[[], object] = lambda: None,
        processes: Processes = ALONE,
    ) -> Result:
        """compute(tokens per batch), again with half of them for as long as memory runs out.

        The smaller number holds for the rest of the run, and in all processes: they try again
        together. Where they share the weights they cannot: then, and where even one small example
        at a time is too much, torch.OutOfMemoryError is raised. Raises StoppedError, in all
        processes, where a signal came to one of them.
        """
        while True:
            found: Result | None = None
            try:
                found = compute(self.tokens_per_batch)
            except torch.OutOfMemoryError:
                if processes.sharded or self.tokens_per_batch // 2 < LEAST_TOKENS:
                    raise
            except StoppedError:
                pass  # all of them stop, below
            without, number = processes.most([found is None, asked()])
            if number:
                raise stopped(number)
            if not without:
                return found  # type: ignore[return-value]
            # Behind the except clause, whose traceback held on to the tensors of the failed try.
            self.tokens_per_batch //= 2
            before_again()
            self.restore_random()
            torch.cuda.empty_cache()
            say(f"out of memory: going on with --tokens-per-batch {self.tokens_per_batch}")
