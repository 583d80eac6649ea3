"""The device to compute on, the precision to compute in, and the processes to do it with."""

from __future__ import annotations

import ctypes
import platform
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

import torch
from transformers.utils import logging as transformers_logging

from training.config import TrainConfig
from training.distributed.processes import ALONE, Processes
from training.errors import UserError

# Of glibc's malloc.h.
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4


def silence_transformers() -> None:
    """Leave the terminal to what we say ourselves."""
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()


@dataclass(frozen=True, slots=True)
class Machine:
    device: torch.device
    bf16: bool
    processes: Processes = ALONE

    @classmethod
    def choose(cls, config: TrainConfig, processes: Processes = ALONE) -> Machine:
        """What the configuration asks for. Raises UserError where it is not there."""
        has_cuda = torch.cuda.is_available()
        if config.device == "cuda" and not has_cuda:
            raise UserError("device cuda was asked for, and torch finds none; use --device cpu")
        on_cuda = has_cuda and config.device != "cpu"
        bf16 = config.precision == "bf16" or (
            config.precision == "auto" and on_cuda and torch.cuda.is_bf16_supported()
        )
        device = torch.device("cuda", processes.local_rank) if on_cuda else torch.device("cpu")
        return cls(device, bf16, processes)

    def complete(self, config: TrainConfig) -> TrainConfig:
        """The configuration with what it leaves to the device filled in."""
        on_cuda = self.device.type == "cuda"
        tokens = config.tokens_per_batch or (16384 if on_cuda else 3072)
        return replace(config, tokens_per_batch=tokens)

    def keep_freed_memory(self) -> None:
        """Let this process keep the memory that it frees, and use it again. Linux's libc only.

        A step on a CPU makes and frees the same gigabytes as the one before. Given back to the
        system each time, fetching them page by page again took a sixth of a step.
        """
        if self.device.type != "cpu" or platform.libc_ver()[0] != "glibc":
            return
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_MAX, 0)
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
        libc.mallopt(M_TOP_PAD, 2**26)

    def autocast(self) -> AbstractContextManager[None]:
        """Matrix products in bf16 where it is on; weights and their updates stay in float32."""
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.bf16)

    def describe(self) -> str:
        name = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else "cpu"
        precision = "bf16" if self.bf16 else "float32"
        count = self.processes.count
        return f"{name}, {precision}" + (f", {count} processes" if count > 1 else "")
