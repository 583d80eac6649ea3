"""One run in several processes, each computing a share of every step.

torchrun and accelerate launch start them, on one machine or on several, and say in the environment
who is who. The first one reads the database and writes the run folder. With `sharding="ddp"` every
process has the whole model in torch's DistributedDataParallel (training/loop/step.py), which adds
gradients up once a step; with "fsdp" each keeps a share of every weight
(training/distributed/fsdp.py), and computing anything takes all of them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from training.config import TrainConfig
from training.errors import UserError

LONGEST_WAIT = timedelta(hours=12)
"""For the first process, while it reads and tokenises."""
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Processes:
    """This process among those of its run. Alone, every method is what it says at no cost.

    Methods whose docstring begins with "All:" must be called by all processes, in the same order.
    """

    rank: int = 0
    count: int = 1
    local_rank: int = 0
    """Among those on this machine."""
    sharded: bool = False
    """Whether each has a share of the weights only."""

    @classmethod
    def join(cls, config: TrainConfig) -> Processes:
        """All: find the others, if the environment names any. Raises UserError."""
        count = int(os.environ.get("WORLD_SIZE", "1"))
        if count == 1:
            return cls()
        local_rank = int(os.environ.get("LOCAL_RANK", "0"))
        on_cuda = config.device != "cpu" and torch.cuda.is_available()
        if on_cuda and local_rank >= torch.cuda.device_count():
            raise UserError(
                f"process {local_rank + 1} of this machine has no GPU of its own;"
                f" start at most {torch.cuda.device_count()} here"
            )
        if config.sharding == "fsdp" and not config.checkpoint_minutes:
            raise UserError(
                "sharding fsdp puts the model together from its last checkpoint;"
                " --checkpoint-minutes must be above 0"
            )
        if on_cuda:
            torch.cuda.set_device(local_rank)
        dist.init_process_group("cpu:gloo,cuda:nccl" if on_cuda else "gloo", timeout=LONGEST_WAIT)
        return cls(dist.get_rank(), count, local_rank, config.sharding == "fsdp")

    @property
    def replicated(self) -> bool:
        """Return whether each of several processes has a copy of the whole model."""
        return self.count > 1 and not self.sharded

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    def leave(self) -> None:
        """All: part from the others."""
        if self.count > 1:
            dist.barrier()
            dist.destroy_process_group()

    @contextmanager
    def first_goes_ahead(self) -> Iterator[None]:
        """All: the others enter the block when the first one has left it.

        What stops it there stops them too, as a UserError with the same reason.
        """
        if not self.is_first:
            self._hear()
            yield
            return
        try:
            yield
        except Exception as error:
            self._tell(None, error)
            raise
        self._tell(None)

    def of_first(self, act: Callable[[], Result]) -> Result:
        """All: what this gives in the first process, which alone does it.

        What stops it stops the others too, as a UserError with the same reason.
        """
        if not self.is_first:
            heard: Result = self._hear()
            return heard
        try:
            found = act()
        except Exception as error:
            self._tell(None, error)
            raise
        self._tell(found)
        return found

    def _tell(self, value: object, error: Exception | None = None) -> None:
        if self.count > 1:
            dist.broadcast_object_list([value, error and str(error)])

    def _hear(self) -> Any:
        heard = [None, None]
        dist.broadcast_object_list(heard)
        value, reason = heard
        if reason is not None:
            raise UserError(f"process {self.rank} ends with the first one: {reason}")
        return value

    def gather(self, value: Result) -> list[Result]:
        """All: everyone's, by rank."""
        found: list[Any] = [value] * self.count
        if self.count > 1:
            dist.all_gather_object(found, value)
        return found

    def total(self, values: Sequence[float]) -> list[float]:
        """All: sums over the processes."""
        if self.count == 1:
            return list(values)
        sums = torch.tensor(values, dtype=torch.float64)
        dist.all_reduce(sums)
        return sums.tolist()

    def most(self, values: Sequence[int]) -> list[int]:
        """Return the largest of each value over all processes. Each of them must call this."""
        if self.count == 1:
            return list(values)
        largest = torch.tensor(values, dtype=torch.int64)
        dist.all_reduce(largest, op=dist.ReduceOp.MAX)
        return largest.tolist()

    def any(self, here: bool) -> bool:
        """All: whether it is so anywhere."""
        return self.total([here])[0] > 0

    def another(self, here: bool) -> bool:
        """Whether a batch is to be computed now; `here` says whether one is left in this process.

        With shared weights no process can compute without the others (All, then): who has nothing
        left computes along with them, on anything, until nobody has anything left.
        """
        return self.any(here) if self.sharded else here

    def mine(self, values: Iterable[Result]) -> Iterator[Result]:
        """Every so many-th, so that each is one process's."""
        return (value for place, value in enumerate(values) if place % self.count == self.rank)

    def sum_gradients(self, weights: Iterable[nn.Parameter]) -> None:
        """Replace each gradient by its sum over the processes. Each of them must call this."""
        for weight in weights:
            dist.all_reduce(weight.grad)

    def share_weights(self, tensors: Iterable[Tensor]) -> None:
        """All: give every process the first one's."""
        if self.count > 1:
            for tensor in tensors:
                dist.broadcast(tensor.detach(), src=0)


ALONE = Processes()
