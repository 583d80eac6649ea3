"""The device that a run computes on, its precision and its group of processes."""

from __future__ import annotations

import ctypes
import platform
import resource
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

import torch
from transformers.utils import logging as transformers_logging

from training.config import TOKENS_PER_BATCH, MachineSettings, TrainConfig
from training.distributed.processes import SINGLE_PROCESS, ProcessGroup
from training.errors import UserError
from training.sentences import sentence

# From glibc's malloc.h
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4


def silence_transformers() -> None:
    """Turn off the log messages and the progress bars of transformers."""
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()


@dataclass(frozen=True, slots=True)
class Device:
    """A torch device, its precision, and the processes that compute together."""

    torch_device: torch.device
    bf16: bool
    group: ProcessGroup = SINGLE_PROCESS

    @classmethod
    def choose(cls, config: MachineSettings, group: ProcessGroup = SINGLE_PROCESS) -> Device:
        """Return the device that the configuration asks for.

        Raises UserError if that device is not available.
        """
        has_cuda = torch.cuda.is_available()
        if config.device == "cuda" and not has_cuda:
            raise UserError(sentence("torch finds no cuda device; use --device cpu"))
        on_cuda = has_cuda and config.device != "cpu"
        # Recurrent layers would compute float32 in TF32, unlike the CPU that verifies saved models.
        torch.backends.cudnn.allow_tf32 = False
        # cuDNN's attention takes up to a second to plan each new shape, and batches have many.
        torch.backends.cuda.enable_cudnn_sdp(False)
        bf16 = config.precision == "bf16" or (
            config.precision == "auto" and on_cuda and torch.cuda.is_bf16_supported()
        )
        torch_device = torch.device("cuda", group.local_rank) if on_cuda else torch.device("cpu")
        return cls(torch_device, bf16, group)

    def complete(self, config: TrainConfig) -> TrainConfig:
        """Return the configuration with the defaults for this device filled in."""
        tokens = config.tokens_per_batch or TOKENS_PER_BATCH[self.torch_device.type]
        return replace(config, tokens_per_batch=tokens)

    def keep_freed_memory(self) -> None:
        """Make glibc keep freed memory for reuse instead of returning it to the system.

        Each step on a CPU allocates and frees the same gigabytes. Fetching them again from the
        system, page by page, took a sixth of a step.
        """
        if self.torch_device.type != "cpu" or platform.libc_ver()[0] != "glibc":
            return
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_MAX, 0)
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
        libc.mallopt(M_TOP_PAD, 2**26)

    def peak_memory(self) -> dict[str, int]:
        """Return the most memory that this process has had, in bytes, and has had on its GPU.

        `peak_memory` is the scarcer one: that of the GPU, if there is one.
        """
        unit = 1 if platform.system() == "Darwin" else 1024
        resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
        if self.torch_device.type != "cuda":
            return {"peak_memory": resident, "peak_rss": resident}
        on_gpu = torch.cuda.max_memory_allocated(self.torch_device)
        return {"peak_memory": on_gpu, "peak_rss": resident, "peak_cuda": on_gpu}

    def autocast(self) -> AbstractContextManager[None]:
        """Return a context that computes matrix products in bf16 if it is on.

        Weights and their updates stay in float32.
        """
        return torch.autocast(self.torch_device.type, dtype=torch.bfloat16, enabled=self.bf16)

    def describe(self) -> str:
        on_cuda = self.torch_device.type == "cuda"
        name = torch.cuda.get_device_name(self.torch_device) if on_cuda else "cpu"
        precision = "bf16" if self.bf16 else "float32"
        count = self.group.count
        return f"{name}, {precision}" + (f", {count} processes" if count > 1 else "")
