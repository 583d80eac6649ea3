"""Check that training on a GPU gives the right numbers, and measure it, in under ten minutes.

    benchmarks/gpu.sh [--wheels DIR] [--minutes 9] [--output var/gpu]
    benchmarks/gpu.sh --device cpu --small

It needs no network, no pytest and no Django, but torch, transformers, peft, pyarrow, scikit-learn,
pandas and tensorboard, and SQLAlchemy for the runs of training.train. Rows that need TRL fail where
it is missing.

Every job is a process of its own with a time limit, so that one that fails or hangs does not stop
the others. Jobs that check numbers run side by side, and those that measure time run alone
afterwards. gpu.md and gpu.json are written after every job: the tables, why jobs failed, which were
left out for lack of time, and how long each one took. What the jobs wrote to stderr is in log.txt.
The exit status is 1 if a job failed or was left out.
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
from concurrent.futures import ThreadPoolExecutor
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
DEFAULTS = {"default run": (), "default run with a network": ("--network-from", "1")}
"""Options of the runs that are repeated on the CPU."""
CORES_PER_CHECK = 4


class Job(NamedTuple):
    table: str
    name: str
    seconds: float
    command: list[str]

    @property
    def title(self) -> str:
        return f"{self.table}: {self.name}"


class Report:
    """Hold the tables so far, and write them after every job."""

    def __init__(self, folder: Path, minutes: float) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.log = folder / "log.txt"
        self.log.unlink(missing_ok=True)
        self.started = time.monotonic()
        self.ends = self.started + 60 * minutes
        self.tables: dict[str, Rows] = {}
        self.failures: Rows = []
        self.times: Rows = []
        self.left_out: list[str] = []

    def run(self, jobs: list[Job], together: int, *, limits: bool) -> None:
        """Run jobs, so many at a time; `limits` is False if only the end of the time stops them."""

        def run_job(job: Job) -> tuple[Rows, str, str, float] | None:
            began = time.monotonic()
            left = self.ends - began
            if left < MIN_SECONDS:
                return None
            print(job.title, flush=True)
            done = run(job.command, min(left, job.seconds) if limits else left)
            return *done, time.monotonic() - began

        with ThreadPoolExecutor(together) as pool:
            for job, done in zip(jobs, pool.map(run_job, jobs), strict=True):
                self.add(job, done)

    def add(self, job: Job, done: tuple[Rows, str, str, float] | None) -> None:
        """Record what a job returned, or that there was no time for it, and write the report."""
        if done is None:
            self.left_out.append(job.title)
        else:
            rows, failure, errors, seconds = done
            with self.log.open("a") as file:
                file.write(f"\n# {job.title}\n{errors}")
            self.tables.setdefault(job.table, []).extend(rows)
            self.times.append({"job": job.title, "seconds": seconds})
            if failure:
                self.failures.append({"job": job.title, "failure": failure})
        self.write()

    def write(self) -> None:
        seconds = time.monotonic() - self.started
        shown = {
            name: with_speeds(rows) if name.startswith("Training") else rows
            for name, rows in self.tables.items()
        }
        values = {"seconds": seconds, "tables": shown, "failures": self.failures}
        values |= {"left_out": self.left_out, "times": self.times}
        (self.folder / "gpu.json").write_text(json.dumps(values, indent=1) + "\n")
        named = shown | {"Failures": self.failures, "Times": self.times}
        lines = [f"## {name}\n\n{markdown(rows)}" for name, rows in named.items() if rows]
        lines.append(f"Total: {seconds:.0f} seconds.\n")
        if self.left_out:
            lines.append(f"Left out for lack of time: {'; '.join(self.left_out)}.\n")
        (self.folder / "gpu.md").write_text("\n".join(lines))


def main() -> int:
    end_with_parent()
    arguments = parse()
    if arguments.part:
        PARTS[arguments.part](arguments)
        return 0
    report = Report(arguments.output, arguments.minutes)
    limits = not arguments.small
    # Alone, because it measures, and because the others then find torch's libraries in memory.
    report.run([part("Environment", "environment", 60, arguments)], 1, limits=limits)
    together = max(1, (os.cpu_count() or 1) // CORES_PER_CHECK)
    report.run(list(checks(arguments)), together, limits=limits)
    report.run(list(measurements(arguments)), 1, limits=limits)
    print((arguments.output / "gpu.md").read_text())
    return int(bool(report.failures or report.left_out))


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


def checks(arguments: argparse.Namespace) -> Iterator[Job]:
    """Yield the jobs that check numbers, the most important ones first."""
    small = arguments.small
    yield part("Equality", "equality", 240, arguments)
    if not small:
        yield part("Equality", "equality of FlexAttention", 240, arguments)
    for kind in ["default run"] if small else DEFAULTS:
        yield part("On the GPU and on the CPU", kind, 200, arguments)
    for kind in ["transformer"] if small else RUNS:
        yield part("Killed and resumed", kind, 150, arguments)


def measurements(arguments: argparse.Namespace) -> Iterator[Job]:
    """Yield the jobs that measure time, the most important ones first."""
    small = arguments.small
    yield from training_jobs("3,8,8" if small else "9,256,128", arguments)
    sizes = ["--row=3,8,8", "--prompts=2"] if small else ["--prompts=64"]
    batches = ["--batches", "3"] if small else ["--batches", "9", "36", "144"]
    scoring = ["benchmarks/scoring.py", "--json", "--repeats=2", *sizes, *batches]
    yield Job("Scoring", "scoring", 120, [*scoring, *machine_options(arguments)])
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


def check_equality(arguments: argparse.Namespace, *, flex: bool) -> None:
    Device.choose(TrainConfig(device=arguments.device))  # turns TF32 off, as in a run
    failed = 0
    for what, kind, attention, check in equality_checks(arguments):
        if (attention == "flex") != flex:
            continue  # in a process of its own: an error in a kernel makes the GPU useless to it
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


# The same run on the device and on the CPU


def compare_devices(kind: str, arguments: argparse.Namespace) -> None:
    """Send what a run with the default settings finds on the device and on the CPU."""
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


PARTS: dict[str, Callable[[argparse.Namespace], None]] = {
    "environment": environment,
    "equality": partial(check_equality, flex=False),
    "equality of FlexAttention": partial(check_equality, flex=True),
    **{kind: partial(compare_devices, kind) for kind in DEFAULTS},
    **{kind: partial(resume, kind) for kind in RUNS},
}

if __name__ == "__main__":
    sys.exit(main())
