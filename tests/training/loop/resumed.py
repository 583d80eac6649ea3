"""Runs that are stopped and go on, and their results."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.forked import Forked
from tests.waiting import finish, wait_until
from training.loop.checkpoint import steps_of
from training.runs.folder import RunFolder
from training.train import main

ROOT = Path(__file__).resolve().parents[3]
SMALL = (
    *("--backbone", "transformer", "--width", "32", "--heads", "4"),
    *("--layers", "1", "--vocabulary", "400"),
    *("--rankings-per-step", "4", "--learning-rate", "0.003", "--held-out-fraction", "0.25"),
    *("--epochs", "15", "--checkpoint-minutes", "0.0001"),
)
KINDS = {
    "adamw": (),
    "muon, Davidson's ties, the best weights": (
        *("--optimizer", "muon", "--ties", "davidson", "--keep", "best"),
        *("--batching", "shuffled", "--evaluate-every", "7"),
    ),
    "GRU": ("--backbone", "rnn", "--cell", "gru"),
    "LSTM": ("--backbone", "rnn", "--cell", "lstm"),
    "LoRA": (
        *("--backbone", "pretrained", "--lora-rank", "2", "--optimizer", "adafactor"),
        *("--max-prompt-tokens", "64", "--max-response-tokens", "64"),
    ),
    "a reward model": ("--backbone", "pretrained", "--head-learning-rate", "0.03"),
}


def command(rankings, folder, *more):
    return ["--rankings", str(rankings), "--run-folder", str(folder), *SMALL, *more]


def start(rankings, folder, *more, process=Forked, **options):
    return process(
        [sys.executable, "-m", "training.train", *command(rankings, folder, *more)],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def stopped(rankings, folder, *more, number=signal.SIGKILL, steps=10):
    """The folder of a run that a signal ended after so many steps; its process.

    Where it cannot save any more, it is given the time for two checkpoints.
    """
    process = start(rankings, folder, *more)
    run = RunFolder(folder)
    wanted = 2 if number == signal.SIGKILL else 0
    wait_until(
        lambda: (
            len(run.metric_lines()) >= steps and len(steps_of(run.checkpoints, "step")) >= wanted
        ),
        process,
    )
    process.send_signal(number)
    process.err = finish(process)
    assert process.returncode != 0
    assert run.is_unfinished
    return run, process


def finished(rankings, folder, *more):
    """A run to its end. It needs no checkpoints, each of which is flushed to the disk."""
    assert main(command(rankings, folder, "--checkpoint-minutes", "60", *more)) == 0
    return RunFolder(folder)


def outcome(run):
    """Return the results of a run, without those that its clock and its memory decide."""
    metrics = run.read_metrics()
    del metrics["seconds"], metrics["reading_share"], metrics["peak_memory"], metrics["peak_rss"]
    lines = run.metric_lines()
    for line in lines:
        del line["seconds"], line["tokens_per_second"]
    return metrics, lines, run.judgements()


def weights(run):
    return load_file(run.model / "model.safetensors")


def assert_same(run, other):
    assert outcome(run) == outcome(other)
    theirs = weights(other)
    assert all(torch.equal(weight, theirs[name]) for name, weight in weights(run).items())


def curve(run):
    found = EventAccumulator(str(run.tensorboard))
    found.Reload()
    return [(event.step, event.value) for event in found.Scalars("train/loss")]


def newest(run):
    return run.checkpoints / f"step-{steps_of(run.checkpoints, 'step')[-1]}"
