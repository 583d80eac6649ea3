"""Check that training on a GPU gives the right numbers, and measure it, in under ten minutes.

    benchmarks/gpu.sh [--wheels DIR] [--minutes 9] [--output var/gpu]
    benchmarks/gpu.sh --device cpu --small

It needs no network, no pytest and no Django, but torch, transformers, peft, pyarrow, scikit-learn,
pandas and tensorboard, and SQLAlchemy for the runs of training.train. Rows that need TRL fail where
it is missing. The reward service is measured where its packages are there too (requirements.txt);
otherwise its row says what is missing.

Every job is a process of its own with a time limit, so that one that fails or hangs does not stop
the others. Jobs that check numbers run side by side, and those that measure time run alone
afterwards. gpu.md and gpu.json are written after every job: the tables, why jobs failed, which were
left out for lack of time, and how long each one took. What the jobs wrote to stderr is in log.txt.
The exit status is 1 if a job failed or was left out.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.gpu.environment import environment
from benchmarks.gpu.equality import check_equality
from benchmarks.gpu.report import Job, Report
from benchmarks.gpu.runs import DEFAULTS, RUNS, compare_devices, resume
from benchmarks.gpu.service import measure_service
from benchmarks.measuring import ROOT, add_machine_arguments, machine_options
from benchmarks.training import worker_command
from training.child_process import end_with_parent

CONTENDERS = ("padded", "packed", "dense", "shared", "trl", "trl-stored-4", "trl-stored-16")
CORES_PER_CHECK = 4


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
    yield part("The reward service", "service", 90, arguments)
    if not small:
        yield from training_jobs("4,64,128", arguments)


def part(table: str, name: str, seconds: float, arguments: argparse.Namespace) -> Job:
    small = ["--small"] if arguments.small else []
    return Job(
        table,
        name,
        seconds,
        [
            *(__file__, "--part", name, "--output", str(arguments.output)),
            *(*small, *machine_options(arguments)),
        ],
    )


def training_jobs(row: str, arguments: argparse.Namespace) -> Iterator[Job]:
    sizes = argparse.Namespace(**vars(arguments), rankings=2, steps=1)
    if not arguments.small:
        sizes.rankings, sizes.steps = 16, 5
    for name in ("padded", "shared", "trl") if arguments.small else CONTENDERS:
        yield Job(f"Training, K,P,R = {row}", name, 75, worker_command(name, row, sizes))


PARTS: dict[str, Callable[[argparse.Namespace], None]] = {
    "environment": environment,
    "equality": partial(check_equality, flex=False),
    "equality of FlexAttention": partial(check_equality, flex=True),
    **{kind: partial(compare_devices, kind) for kind in DEFAULTS},
    **{kind: partial(resume, kind) for kind in RUNS},
    "service": measure_service,
}

if __name__ == "__main__":
    sys.exit(main())
