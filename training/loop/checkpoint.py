"""Checkpoints: everything that a run needs to resume and reach the numbers it would have had.

    checkpoints/step-120/       state.safetensors: every tensor; state.json: everything else
    checkpoints/best-100/       the weights of the best held-out loss, where those are kept
    checkpoints/start/          a model from scratch with its tokenizer, as the run began

A checkpoint is written beside its place, flushed to the disk and moved there, so that it is whole
or absent. The last two are kept. No pickles. Of several processes the first writes; all read.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from training.distributed.fsdp import full_tensors, load_into
from training.distributed.processes import SINGLE_PROCESS, ProcessGroup
from training.errors import UserError
from training.loop.optimizers import Optimizers
from training.loop.state import StepStats, TrainState
from training.runs.digest import file_sha256
from training.sentences import sentence

KEPT = 2
TENSORS = "state.safetensors"
REST = "state.json"


@dataclass
class Checkpoints:
    """Save and restore `modules` and the optimiser of one run."""

    path: Path
    modules: Mapping[str, nn.Module]
    optimizer: Optimizers
    minutes: float
    group: ProcessGroup = SINGLE_PROCESS

    def __post_init__(self) -> None:
        self._saved: int | None = None
        self._written = time.monotonic()

    @property
    def are_due(self) -> bool:
        """Return True if the last checkpoint is at least `minutes` old; never if `minutes` is 0."""
        return time.monotonic() - self._written >= 60 * self.minutes > 0

    def save(self, state: TrainState) -> None:
        """Write a checkpoint, unless this step has one, and remove all but the last two.

        Raises OSError or SafetensorError where it cannot be written; earlier ones stay.
        """
        if not self.minutes or self._saved == state.step:
            return
        contents = self._full_tensors(
            {
                "standing": asdict(state),  # the name that earlier versions wrote
                "weights": self._weights(),
                "optimizer": self.optimizer.state_dict(),
            }
        )
        self._write(f"step-{state.step}", contents)
        self._saved, self._written = state.step, time.monotonic()
        if self.group.is_first:
            for step in steps_of(self.path, "step")[:-KEPT]:
                shutil.rmtree(self.path / f"step-{step}")
            self._forget_bests()

    def restore(self) -> TrainState:
        """Restore the newest checkpoint that is whole. Raises UserError where there is none."""
        step, contents = self._newest_whole()
        self._restore_weights(contents["weights"])
        self.optimizer.load_state_dict(contents["optimizer"])
        state = TrainState(**contents["standing"])
        last_epoch = contents["standing"]["last_epoch"]
        # In runs of earlier versions, each ranking was an element.
        state.last_epoch = StepStats(**{"elements": last_epoch["rankings"], **last_epoch})
        state.restore_random()
        self._saved = step
        if self.group.is_first:
            for later in [best for best in steps_of(self.path, "best") if best > step]:
                shutil.rmtree(self.path / f"best-{later}")
        return state

    def restore_weights(self, step: int | None = None) -> None:
        """Restore the weights alone: of the newest checkpoint, or of the best one at `step`."""
        best = self.path / f"best-{step}"
        self._restore_weights(
            self._newest_whole()[1]["weights"] if step is None else read_state(best)
        )

    def _newest_whole(self) -> tuple[int, Any]:
        """Return the step and the contents of the newest whole checkpoint; remove newer ones."""
        found: list[Any] = []

        def choose() -> int:
            for step in reversed(steps_of(self.path, "step")):
                try:
                    found.append(read_state(self.path / f"step-{step}"))
                except (FileNotFoundError, ValueError, KeyError, TypeError, SafetensorError):
                    shutil.rmtree(self.path / f"step-{step}")
                else:
                    return step
            raise UserError(
                sentence(
                    "no checkpoint in %(folder)s is whole; start over with --restart",
                    folder=str(self.path),
                )
            )

        step = self.group.call_on_first(choose)
        return step, found[0] if found else read_state(self.path / f"step-{step}")

    def save_best(self, step: int) -> None:
        """Save the weights alone, as those of the lowest held-out loss so far."""
        weights = self._full_tensors(self._weights())
        self._write(f"best-{step}", weights)
        if self.group.is_first:
            self._forget_bests()

    def _full_tensors(self, state: Any) -> Any:
        """Gather sharded tensors; other processes than the first get None for them."""
        return full_tensors(state, keep=self.group.is_first)

    def _write(self, name: str, state: Any) -> None:
        if self.group.is_first:
            with _written_whole(self.path / name) as part:
                write_state(part, state)

    def _forget_bests(self) -> None:
        """Remove best weights that no run resumed from a kept checkpoint can come back to."""
        bests = steps_of(self.path, "best")
        oldest = min(steps_of(self.path, "step"), default=max(bests, default=0))
        for step in [step for step in bests if step <= oldest][:-1]:
            shutil.rmtree(self.path / f"best-{step}")

    def _weights(self) -> dict[str, dict[str, Tensor]]:
        return {name: _tensors(module) for name, module in self.modules.items()}

    @torch.no_grad()
    def _restore_weights(self, weights: dict[str, dict[str, Tensor]]) -> None:
        for name, module in self.modules.items():
            for key, tensor in _tensors(module).items():
                load_into(tensor, weights[name][key])


def _tensors(module: nn.Module) -> dict[str, Tensor]:
    """Return the weights and buffers by name; one with several names comes once."""
    return {**dict(module.named_parameters()), **dict(module.named_buffers())}


def steps_of(folder: Path, kind: str) -> list[int]:
    """Return the numbers N of the folders `kind-N`, ascending."""
    names = [path.name.removeprefix(f"{kind}-") for path in folder.glob(f"{kind}-*")]
    return sorted(int(name) for name in names if name.isdecimal())


@contextmanager
def _written_whole(path: Path) -> Iterator[Path]:
    """Yield a folder to write into; flush it and move it into place if the block succeeds."""
    part = path.with_name(path.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        yield part
        for file in [*part.iterdir(), part]:
            _flush(file)
        shutil.rmtree(path, ignore_errors=True)
        os.replace(part, path)
        _flush(path.parent)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _flush(path: Path) -> None:
    """Flush a file's contents, or a folder's entries, to the disk."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def write_state(folder: Path, state: Any) -> None:
    """Write nested dicts, lists and tuples of tensors, numbers, strings and None."""
    tensors: dict[str, Tensor] = {}
    rest = _pack(state, "", tensors)
    save_file(tensors, folder / TENSORS)
    values = {"sha256": file_sha256(folder / TENSORS), "state": rest}
    (folder / REST).write_text(json.dumps(values) + "\n", encoding="utf-8")


def read_state(folder: Path) -> Any:
    """Read a state that write_state wrote.

    Raises OSError, ValueError, KeyError or SafetensorError where it is damaged.
    """
    values = json.loads((folder / REST).read_text(encoding="utf-8"))
    if values["sha256"] != file_sha256(folder / TENSORS):
        raise ValueError(f"{folder / TENSORS} is damaged")
    return _unpack(values["state"], load_file(folder / TENSORS))


def _pack(value: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    """Return the value as JSON can hold it, with its tensors moved to `tensors`."""
    if isinstance(value, Tensor):
        tensors[name] = value.detach().contiguous()
        return {"tensor": name}
    if isinstance(value, dict):
        items = [[key, _pack(item, f"{name}/{key}", tensors)] for key, item in value.items()]
        return {"dict": items}
    if isinstance(value, list | tuple):
        items = [_pack(item, f"{name}/{place}", tensors) for place, item in enumerate(value)]
        return {type(value).__name__: items}
    return value


def _unpack(value: Any, tensors: dict[str, Tensor]) -> Any:
    """Undo _pack."""
    if not isinstance(value, dict):
        return value
    [(kind, found)] = value.items()
    if kind == "tensor":
        return tensors[found]
    if kind == "dict":
        return {key: _unpack(item, tensors) for key, item in found}
    items = [_unpack(item, tensors) for item in found]
    return tuple(items) if kind == "tuple" else items
