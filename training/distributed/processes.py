"""The group of processes of a run, each of which computes a share of every step.

torchrun or accelerate launch starts them, on one machine or several, and sets environment variables
with the rank of each. The first process reads the data and writes the run folder. With
`sharding="ddp"`, each process holds the whole model in torch's DistributedDataParallel
(training/loop/step.py), which sums the gradients once per step. With "fsdp", each process holds a
shard of every weight (training/distributed/fsdp.py), so that all of them must compute together.
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

from training.config import MachineSettings
from training.errors import UserError
from training.runs import signals
from training.sentences import quoted, sentence

TIMEOUT = timedelta(hours=12)
"""Time that processes wait for the first one while it reads and tokenises."""
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class ProcessGroup:
    """The processes of a run, seen from this one.

    Methods that communicate must be called by all processes in the same order: `leave`,
    `first_then_others`, `call_on_first`, `all_gather`, `sum`, `max`, `sum_gradients`,
    `broadcast_weights`, and `should_compute` if the group is sharded. In a group of one process
    they communicate nothing.
    """

    rank: int = 0
    count: int = 1
    local_rank: int = 0
    """Rank among the processes on this machine."""
    sharded: bool = False
    """True if each process holds only a shard of every weight."""

    @classmethod
    def join(cls, config: MachineSettings) -> ProcessGroup:
        """Return the group that the environment describes, once all its processes have joined.

        Raises UserError for a process without a GPU of its own, and for settings that do not fit.
        """
        count = int(os.environ.get("WORLD_SIZE", "1"))
        if count == 1:
            return cls()
        local_rank = int(os.environ.get("LOCAL_RANK", "0"))
        on_cuda = config.device != "cpu" and torch.cuda.is_available()
        if on_cuda and local_rank >= torch.cuda.device_count():
            raise UserError(
                sentence(
                    "process %(number)s on this machine has no GPU of its own;"
                    " start at most %(most)s processes here",
                    number=str(local_rank + 1),
                    most=torch.cuda.device_count(),
                )
            )
        if config.sharding == "fsdp" and not config.checkpoint_minutes:
            raise UserError(
                sentence(
                    "--sharding fsdp loads the trained model from its last checkpoint;"
                    " set --checkpoint-minutes above 0"
                )
            )
        if on_cuda:
            torch.cuda.set_device(local_rank)
        dist.init_process_group("cpu:gloo,cuda:nccl" if on_cuda else "gloo", timeout=TIMEOUT)
        return cls(dist.get_rank(), count, local_rank, config.sharding == "fsdp")

    @property
    def replicated(self) -> bool:
        """Return True if there are several processes, each with a copy of the whole model."""
        return self.count > 1 and not self.sharded

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    def leave(self) -> None:
        """Wait for the other processes, then leave the group."""
        if self.count > 1:
            dist.barrier()
            dist.destroy_process_group()

    @contextmanager
    def first_then_others(self) -> Iterator[None]:
        """Run the block in the first process, then in the others.

        If the first process fails, the others raise a UserError with its reason.
        """
        if not self.is_first:
            self._receive()
            yield
            return
        try:
            yield
        except Exception as error:
            self._fail(error)
            raise
        self._send(None)

    def call_on_first(self, function: Callable[[], Result]) -> Result:
        """Call `function` in the first process, and return its result in all of them.

        If the first process fails, the others raise a UserError with its reason.
        """
        if not self.is_first:
            received: Result = self._receive()
            return received
        try:
            result = function()
        except Exception as error:
            self._fail(error)
            raise
        self._send(result)
        return result

    def _send(self, value: object, error: Exception | None = None) -> None:
        if self.count > 1:
            dist.broadcast_object_list([value, error and str(error)])

    def _fail(self, error: Exception) -> None:
        """Tell the other processes why the first one fails."""
        self._send(None, error)
        self._await_the_end()

    def _await_the_end(self) -> None:
        """Return once no process can be stopped by a signal before it has said why it ends.

        A launcher ends all processes as soon as the first has ended.
        """
        if self.count > 1:
            signals.let_end()
            dist.barrier()

    def _receive(self) -> Any:
        received = [None, None]
        dist.broadcast_object_list(received)
        value, reason = received
        if reason is not None:
            self._await_the_end()
            raise UserError(
                sentence(
                    "process %(number)s stops because the first one failed: %(problem)s",
                    number=str(self.rank),
                    problem=quoted(reason),
                )
            )
        return value

    def all_gather(self, value: Result) -> list[Result]:
        """Return the values of all processes, by rank."""
        values: list[Any] = [value] * self.count
        if self.count > 1:
            dist.all_gather_object(values, value)
        return values

    def sum(self, values: Sequence[float]) -> list[float]:
        """Return the sum of each value over all processes."""
        if self.count == 1:
            return list(values)
        sums = torch.tensor(values, dtype=torch.float64)
        dist.all_reduce(sums)
        return sums.tolist()

    def max(self, values: Sequence[int]) -> list[int]:
        """Return the largest of each value over all processes."""
        if self.count == 1:
            return list(values)
        largest = torch.tensor(values, dtype=torch.int64)
        dist.all_reduce(largest, op=dist.ReduceOp.MAX)
        return largest.tolist()

    def should_compute(self, has_batch: bool) -> bool:
        """Return True if this process must compute a batch now, its own or an idle one.

        A process computes while it has a batch left. If the weights are sharded, no process can
        compute alone, so it goes on with idle batches until no process has a batch left.
        """
        return self.max([has_batch])[0] > 0 if self.sharded else has_batch

    def own_share(self, values: Iterable[Result]) -> Iterator[Result]:
        """Yield the values of this process: of n processes, each takes every n-th value."""
        return (value for place, value in enumerate(values) if place % self.count == self.rank)

    def sum_gradients(self, weights: Iterable[nn.Parameter]) -> None:
        """Replace each gradient by its sum over all processes."""
        for weight in weights:
            dist.all_reduce(weight.grad)

    def broadcast_weights(self, tensors: Iterable[Tensor]) -> None:
        """Copy the first process's values into the tensors of all processes."""
        if self.count > 1:
            for tensor in tensors:
                dist.broadcast(tensor.detach(), src=0)


SINGLE_PROCESS = ProcessGroup()
