"""Measure the rate and peak memory of imports and exports, with few and with many rankings.

    .venv/bin/python benchmarks/archive.py [--database sqlite] [--rankings 10000 1000000]

Every prompt has 6 responses of 12 to 20 words and is ranked by four of 40 labellers. Each command
runs as `manage.py` in its own process: an export in every format, the archive, its import into an
empty database, the archive of that database (which must be identical to the byte), and a
measurement of the agreement. Peak memory is that of the process (VmHWM), without PostgreSQL. A
million rankings take about 5 GB of disk per database.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.installation import ROOT, Installation, embedded_postgresql, new_database

FORMATS = ("jsonl", "trl", "nemo", "csv", "parquet")
RANKINGS_PER_PROMPT = 4
LABELLERS = 40


class Measured(NamedTuple):
    """The time and memory of a command."""

    seconds: float
    memory: float
    """Peak memory in MiB."""


def run_measured(installation: Installation, *command: str) -> Measured:
    started = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "manage.py", *command],
        cwd=ROOT,
        env=installation.environment,
        stdout=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"manage.py {' '.join(command)} failed")
    return Measured(time.monotonic() - started, usage.ru_maxrss / 1024)


def measure(
    folder: Path, url: str, empty_url: str, rankings: int, formats: Sequence[str]
) -> Iterator[tuple[str, Measured]]:
    """Run each command, and yield its name with its time and memory."""
    (folder / "from").mkdir(parents=True)
    (folder / "to").mkdir()
    with Installation(folder / "from", url) as full:
        prompts = rankings // RANKINGS_PER_PROMPT
        full.fill(
            prompts=prompts,
            labellers=LABELLERS,
            wanted=RANKINGS_PER_PROMPT,
            finished=1,
            words=20,
            recent=1,
        )
        file = folder / "file"
        for format_ in formats:
            command = ("export_rankings", "bench", str(file), "--format", format_, "--force")
            yield f"export {format_}", run_measured(full, *command)
        archive = ("export_rankings", "bench", str(file), "--all-versions", "--force")
        yield "export the archive", run_measured(full, *archive)
        first = digest(file)
    with Installation(folder / "to", empty_url) as empty:
        empty.run("manage.py", "create_project", "bench")
        command = ("import_rankings", str(file), "--project", "bench", "--format", "jsonl")
        yield "import the archive", run_measured(empty, *command)
        empty.run("manage.py", *archive)
        if digest(file) != first:
            raise SystemExit("the archive of the imported project differs")
    file.unlink()
    agreement = ("measure_agreement", "--project", "bench")
    yield "measure agreement", run_measured(full, *agreement)


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--rankings", type=int, nargs="+", default=[10_000, 1_000_000])
    parser.add_argument("--formats", choices=FORMATS, nargs="*", default=FORMATS)
    options = parser.parse_args()
    first: dict[str, Measured] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-archive-")))
        server = embedded_postgresql(folder) if options.database == "postgresql" else ""
        for rankings in options.rankings:
            urls = [new_database(server, f"{n}_{rankings}") if server else "" for n in "ab"]
            prompts = rankings // RANKINGS_PER_PROMPT
            print(f"{options.database}, {rankings:,} rankings of {prompts:,} prompts")
            for name, found in measure(folder / str(rankings), *urls, rankings, options.formats):
                show(name, rankings, found, first.setdefault(name, found))


def show(name: str, rankings: int, found: Measured, first: Measured) -> None:
    rate, ratio = rankings / found.seconds, found.memory / first.memory
    print(
        f"  {name:20} {found.seconds:8.1f} s {rate:9,.0f} rankings/s {found.memory:6.0f} MiB "
        f"({ratio:.2f} times the first)",
        flush=True,
    )


if __name__ == "__main__":
    main()
