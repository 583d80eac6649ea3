"""The device to compute on, and the precision to compute in."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch

from training.config import TrainConfig
from training.errors import UserError


@dataclass(frozen=True, slots=True)
class Machine:
    device: torch.device
    bf16: bool

    @classmethod
    def choose(cls, config: TrainConfig) -> Machine:
        """What the configuration asks for. Raises UserError where it is not there."""
        has_cuda = torch.cuda.is_available()
        if config.device == "cuda" and not has_cuda:
            raise UserError("device cuda was asked for, and torch finds none; use --device cpu")
        on_cuda = has_cuda and config.device != "cpu"
        bf16 = config.precision == "bf16" or (
            config.precision == "auto" and on_cuda and torch.cuda.is_bf16_supported()
        )
        return cls(torch.device("cuda" if on_cuda else "cpu"), bf16)

    def autocast(self) -> AbstractContextManager[None]:
        """Matrix products in bf16 where it is on; weights and their updates stay in float32."""
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.bf16)

    def describe(self) -> str:
        name = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else "cpu"
        return f"{name}, {'bf16' if self.bf16 else 'float32'}"
