"""Train for real: the same run on the device and on the CPU, and one that is killed and resumed."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.measuring import ROOT, send
from tests.training.tiny import save_pretrained_folder, wide_heads
from training.child_process import for_child
from training.loop.checkpoint import steps_of
from training.runs.folder import RunFolder

LLAMA = "Llama"
RUNS = {
    LLAMA: (
        *("--backbone", "pretrained", "--max-prompt-tokens", "64"),
        *("--max-response-tokens", "64"),
    ),
    "transformer": ("--backbone", "transformer"),
    "GRU with Davidson's ties": ("--backbone", "rnn", "--cell", "gru", "--ties", "davidson"),
}
"""Options of the runs that are killed and resumed."""
DEFAULTS = {"default run": (), "default run with a network": ("--network-from", "1")}
"""Options of the runs that are repeated on the CPU."""


def compare_devices(kind: str, arguments: argparse.Namespace) -> None:
    """Send what a run with the default settings finds on the device and on the CPU.

    The run on the device stays in the output, for the reward service to serve.
    """
    with tempfile.TemporaryDirectory() as name:
        options = ["--rankings", "examples/pandalm.jsonl.gz", *DEFAULTS[kind]]
        folders = {device: Path(name) / device for device in (arguments.device, "cpu")}
        started = [
            start_run(folder / "run", [*options, "--device", device])
            for device, folder in folders.items()
        ]
        for device, process in zip(folders, started, strict=True):
            if process.wait():
                raise SystemExit(f"error: the run on {device} failed")
        for device, folder in folders.items():
            metrics = RunFolder(folder / "run").read_metrics()
            send(
                {
                    "run": kind,
                    "device": device,
                    "held-out accuracy": metrics["held_out"]["accuracy"],
                    "held-out loss": metrics["held_out"]["loss"],
                    "seconds": metrics["seconds"],
                }
            )
        kept = trained_folder(kind, arguments)
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(folders[arguments.device], kept)


def trained_folder(kind: str, arguments: argparse.Namespace) -> Path:
    """Return the folder in which the run on the device is kept."""
    folder: Path = arguments.output / kind.replace(" ", "-")
    return folder


def resume(kind: str, arguments: argparse.Namespace) -> None:
    """Send how far a run that was killed and resumed, and one begun anew, differ from another."""
    options = list(RUNS[kind])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if kind == LLAMA:
            model = save_pretrained_folder(folder / "model", "llama", **wide_heads("llama"))
            options += ["--model", str(model)]
        for row in resumed(folder, options, arguments):
            send({"model": kind, **row})


def resumed(
    folder: Path, options: list[str], arguments: argparse.Namespace
) -> Iterator[dict[str, Any]]:
    steps = 12 if arguments.small else 60
    options += ["--rankings", "examples/pandalm.jsonl.gz", "--baseline", "off"]
    options += ["--device", arguments.device, "--precision", arguments.precision]
    options += ["--epochs", "100", "--max-steps", str(steps), "--rankings-per-step", "8"]
    if arguments.small:
        options += ["--max-prompt-tokens", "32", "--max-response-tokens", "32"]

    def start(name: str, *more: str) -> subprocess.Popen[bytes]:
        return start_run(folder / name / "run", [*options, *more])

    whole, again = start("whole"), start("again")
    killed = start("killed", "--checkpoint-minutes", "0.0001")
    path = RunFolder(folder / "killed" / "run")
    while len(path.metric_lines()) < steps // 3 or not steps_of(path.checkpoints, "step"):
        if killed.poll() is not None:
            raise SystemExit(f"error: the run ended before it was killed: {killed.returncode}")
        time.sleep(0.01)
    killed.kill()
    killed.wait()
    step = steps_of(path.checkpoints, "step")[-1]
    for process in (start("killed"), whole, again):
        if process.wait():
            raise SystemExit(f"error: a run failed with status {process.returncode}")
    expected = outcome(folder / "whole")
    for name, what in (("killed", f"resumed after step {step}"), ("again", "trained again")):
        found = outcome(folder / name)
        losses = [abs(one - other) for one, other in zip(found[0], expected[0], strict=True)]
        yield {
            "run": what,
            "steps": len(losses),
            "largest difference of a step's loss": max(losses),
            "held-out loss": found[1],
            "uninterrupted": expected[1],
            "seconds": found[2],
        }


def start_run(folder: Path, options: list[str]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "training.train", "--run-folder", str(folder), *options]
    environment = for_child({**os.environ, "OMP_NUM_THREADS": "1"})
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)


def outcome(folder: Path) -> tuple[list[float], float, float]:
    """Return the loss of each step of a finished run, its held-out loss, and its seconds."""
    run = RunFolder(folder / "run")
    losses = [line["loss"] for line in run.metric_lines()]
    metrics = run.read_metrics()
    return losses, metrics["held_out"]["loss"], metrics["seconds"]
