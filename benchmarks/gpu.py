"""Check that training on a GPU gives the right numbers, and measure it, in under ten minutes.

    benchmarks/gpu.sh [--wheels DIR] [--minutes 9] [--output var/gpu]
    benchmarks/gpu.sh --device cpu --small

It needs no network, no pytest and no Django, but torch, transformers, peft, pyarrow, scikit-learn,
pandas and tensorboard, and SQLAlchemy for the runs of training.train. Rows that need TRL fail where
it is missing.

Every job is a process of its own with a time limit, so that one that fails or hangs does not stop
the others. gpu.md and gpu.json are written after every job: the tables, why jobs failed, and which
were left out for lack of time. What the jobs wrote to stderr is in log.txt. The exit status is 1 if
a job failed or was left out.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.measuring import (
    ROOT,
    Rows,
    add_machine_arguments,
    machine_options,
    markdown,
    run,
    send,
)
from benchmarks.training import call_seconds, with_speeds, worker_command
from tests.training.backbones import equality
from tests.training.tiny import save_pretrained_folder, wide_heads
from training.child_process import end_with_parent, for_child
from training.config import TrainConfig
from training.distributed.device import Device
from training.loop.checkpoint import steps_of
from training.runs.folder import RunFolder

PACKAGES = ("torch", "triton", "transformers", "accelerate", "peft", "pyarrow", "SQLAlchemy", "trl")
DTYPES = (torch.float32, torch.bfloat16, torch.float16, torch.float64)
CONTENDERS = ("padded", "packed", "dense", "shared", "trl", "trl-stored-4", "trl-stored-16")
MIN_SECONDS = 15.0
"""Seconds that must be left for another job to begin."""
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


class Job(NamedTuple):
    table: str
    name: str
    seconds: float
    command: list[str]


def main() -> int:
    end_with_parent()
    arguments = parse()
    if arguments.part:
        PARTS[arguments.part](arguments)
        return 0
    arguments.output.mkdir(parents=True, exist_ok=True)
    log = arguments.output / "log.txt"
    log.unlink(missing_ok=True)
    started = time.monotonic()
    tables: dict[str, Rows] = {}
    failures: Rows = []
    left_out: list[str] = []
    for job in jobs(arguments):
        name = f"{job.table}: {job.name}"
        left = started + 60 * arguments.minutes - time.monotonic()
        if left < MIN_SECONDS:
            left_out.append(name)
        else:
            print(name, flush=True)
            rows, failure, errors = run(
                job.command, left if arguments.small else min(left, job.seconds)
            )
            with log.open("a") as file:
                file.write(f"\n# {name}\n{errors}")
            tables.setdefault(job.table, []).extend(rows)
            if failure:
                failures.append({"job": name, "failure": failure})
        write(arguments.output, tables, failures, left_out, time.monotonic() - started)
    print((arguments.output / "gpu.md").read_text())
    return int(bool(failures or left_out))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add_machine_arguments(parser)
    parser.set_defaults(device="cuda", architecture="llama-1b", threads=os.cpu_count())
    parser.add_argument("--small", action="store_true", help="the smallest sizes, for a CPU")
    parser.add_argument("--minutes", type=float, default=9)
    parser.add_argument("--output", type=Path, default=ROOT / "var" / "gpu")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    arguments.output = arguments.output.resolve()
    if arguments.small:
        arguments.architecture = "tiny"
    return arguments


def jobs(arguments: argparse.Namespace) -> Iterator[Job]:
    """Yield all jobs, the most important ones first."""
    small = arguments.small
    yield part("Environment", "environment", 60, arguments)
    yield part("Equality", "equality", 240, arguments)
    yield from training_jobs("3,8,8" if small else "9,256,128", arguments)
    for kind in ("transformer",) if small else RUNS:
        yield part("Killed and resumed", kind, 100, arguments)
    sizes = ["--row=3,8,8", "--prompts=2"] if small else ["--prompts=64"]
    batches = ["--batches", "3"] if small else ["--batches", "9", "36", "144"]
    scoring = ["benchmarks/scoring.py", "--json", "--repeats=2", *sizes, *batches]
    yield Job("Scoring", "scoring", 90, [*scoring, *machine_options(arguments)])
    if not small:
        yield from training_jobs("4,64,128", arguments)


def part(table: str, name: str, seconds: float, arguments: argparse.Namespace) -> Job:
    small = ["--small"] if arguments.small else []
    return Job(
        table, name, seconds, [__file__, "--part", name, *small, *machine_options(arguments)]
    )


def training_jobs(row: str, arguments: argparse.Namespace) -> Iterator[Job]:
    sizes = argparse.Namespace(**vars(arguments), rankings=2, steps=1)
    if not arguments.small:
        sizes.rankings, sizes.steps = 16, 5
    for name in ("padded", "shared", "trl") if arguments.small else CONTENDERS:
        yield Job(f"Training, K,P,R = {row}", name, 75, worker_command(name, row, sizes))


def write(
    folder: Path, tables: dict[str, Rows], failures: Rows, left_out: list[str], seconds: float
) -> None:
    shown = {
        name: with_speeds(rows) if name.startswith("Training") else rows
        for name, rows in tables.items()
    }
    values = {"seconds": seconds, "tables": shown, "failures": failures, "left_out": left_out}
    (folder / "gpu.json").write_text(json.dumps(values, indent=1) + "\n")
    named = shown | {"Failures": failures}
    lines = [f"## {name}\n\n{markdown(rows)}" for name, rows in named.items() if rows]
    lines.append(f"Total: {seconds:.0f} seconds.\n")
    if left_out:
        lines.append(f"Left out for lack of time: {'; '.join(left_out)}.\n")
    (folder / "gpu.md").write_text("\n".join(lines))


# Environment


def environment(arguments: argparse.Namespace) -> None:
    device = Device.choose(TrainConfig(device=arguments.device, precision=arguments.precision))
    facts = {
        "device": device.describe(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "Python": platform.python_version(),
        "C compiler": shutil.which("cc") or shutil.which("gcc") or "missing",
        **{name: version(name) for name in PACKAGES},
        "carried": ", ".join(carried()),
    }
    if arguments.device == "cuda":
        properties = torch.cuda.get_device_properties(0)
        facts |= {
            "driver": driver(),
            "CUDA": torch.version.cuda,
            "compute capability": f"{properties.major}.{properties.minor}",
            "GPU memory": f"{properties.total_memory / 2**30:.1f} GiB",
        }
    for dtype in DTYPES:
        facts[f"matrix product in {dtype}"] = support(dtype, arguments)
    for name, value in facts.items():
        send({"name": name, "value": value})


def version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "missing"


def carried() -> list[str]:
    """Return the packages that gpu.sh installed from wheels."""
    path = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    return sorted(
        f"{found.name} {found.version}" for found in importlib.metadata.distributions(path=path)
    )


def driver() -> str:
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError) as error:
        return f"unknown: {error}"


def support(dtype: torch.dtype, arguments: argparse.Namespace) -> str:
    """Return the speed of a large matrix product, or why there is none."""
    size = 8192 if arguments.device == "cuda" else 512
    try:
        one = torch.randn(size, size, device=arguments.device).to(dtype)
        taken = call_seconds(torch.matmul, one, one, arguments)
    except RuntimeError as error:
        return str(error).splitlines()[0]
    return f"{2 * size**3 / taken / 1e12:.3g} TFLOP/s"


# Equality


def equality_checks(arguments: argparse.Namespace) -> Iterator[tuple[str, str, str, Any]]:
    """Yield checks: what they check, the kind of model, its attention, and the function."""
    device = arguments.device
    cuda = device == "cuda"
    at = {"device": device}
    # The order in which a GPU sums, and its exponential function, differ from a CPU's.
    within = {"atol": 1e-4 if cuda else 1e-5}
    kinds = ("llama", "transformer", "gru") if arguments.small else equality.KINDS
    for kind in kinds:
        causal = kind in equality.CAUSAL
        for way in ("dense", "flex" if cuda else "blocks") if causal else ("auto",):
            how = {"attention": way, **at}
            separate = partial(equality.check_separate_rewards, kind, "shared", **how, **within)
            yield "rewards = one by one", kind, way, separate
            gradients = partial(equality.check_gradients, kind, **how, **within)
            yield "gradients = padded", kind, way, gradients
            yield "bf16 gradients", kind, way, partial(equality.check_bf16_gradients, kind, **how)
        # FlexAttention does not compute in float64.
        how = {"attention": "dense" if causal else "auto", **at}
        for name, ranks in equality.RANKS.items():
            config = TrainConfig(ties="davidson" if name == "ties" else "drop")
            pairs = partial(equality.check_pairs, kind, ranks, config, **how)
            yield f"K-wise = all pairs, {name}", kind, how["attention"], pairs


def check_equality(arguments: argparse.Namespace) -> None:
    Device.choose(TrainConfig(device=arguments.device))  # turns TF32 off, as in a run
    failed = 0
    # FlexAttention last: an error in a kernel makes the GPU useless to this process.
    checks = sorted(equality_checks(arguments), key=lambda each: each[2] == "flex")
    for what, kind, attention, check in checks:
        row = {"check": what, "model": kind, "attention": attention}
        try:
            row |= {"largest difference": check(), "result": "equal"}
        except Exception as error:  # noqa: BLE001 - whatever it is, the others are checked
            why = f"{type(error).__name__}: {error}; {error.__cause__ or ''}"
            row |= {"result": " ".join(why.split())[:500]}
            failed += 1
        send(row)
    if failed:
        raise SystemExit(f"error: {failed} checks failed")


# Resuming


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
    total = 12 if arguments.small else 40
    start = partial(start_training, folder, total, options, arguments)
    whole, again = start("whole"), start("again")
    killed = start("killed", "--checkpoint-minutes", "0.0001")
    path = RunFolder(folder / "killed" / "run")
    while len(path.metric_lines()) < total // 3 or not steps_of(path.checkpoints, "step"):
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
        }


def start_training(
    folder: Path,
    total: int,
    options: list[str],
    arguments: argparse.Namespace,
    name: str,
    *more: str,
) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "training.train", "--rankings", "examples/pandalm.jsonl.gz"]
    command += ["--run-folder", str(folder / name / "run"), "--device", arguments.device]
    command += ["--precision", arguments.precision, "--baseline", "off"]
    command += ["--max-steps", str(total), "--rankings-per-step", "8", *options, *more]
    environment = for_child({**os.environ, "OMP_NUM_THREADS": "1"})
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)


def outcome(folder: Path) -> tuple[list[float], float]:
    """Return the loss of every step of a finished run, and its held-out loss."""
    run = RunFolder(folder / "run")
    losses = [line["loss"] for line in run.metric_lines()]
    return losses, run.read_metrics()["held_out"]["loss"]


PARTS: dict[str, Callable[[argparse.Namespace], None]] = {
    "environment": environment,
    "equality": check_equality,
    **{kind: partial(resume, kind) for kind in RUNS},
}

if __name__ == "__main__":
    sys.exit(main())
