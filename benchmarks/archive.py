"""Files of few rankings and of very many: rates, and the peak memory of each command.

    .venv/bin/python benchmarks/archive.py [--database sqlite] [--rankings 10000 1000000]

Every prompt has 6 responses of 12 to 20 words and four rankings by four of 40 labellers. Each
command is `manage.py` in a process of its own: an export in every format, the archive, its import
into an empty database, the archive of that (which must be the same to the byte), and a measurement
of the agreement. Peak memory is what the kernel says of the process (VmHWM); PostgreSQL's own is
not in it. A million rankings take some 5 GB of disk for each database.
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
A_PROMPT = 4  # rankings
LABELLERS = 40


class Measured(NamedTuple):
    seconds: float
    memory: float  # MiB


def measured(installation: Installation, *command: str) -> Measured:
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
    """What each command takes, by what it does."""
    (folder / "from").mkdir(parents=True)
    (folder / "to").mkdir()
    with Installation(folder / "from", url) as full:
        prompts = rankings // A_PROMPT
        full.fill(
            prompts=prompts, labellers=LABELLERS, wanted=A_PROMPT, finished=1, words=20, recent=1
        )
        file = folder / "file"
        for format_ in formats:
            command = ("export_rankings", "bench", str(file), "--format", format_, "--force")
            yield f"export {format_}", measured(full, *command)
        archive = ("export_rankings", "bench", str(file), "--all-versions", "--force")
        yield "export the archive", measured(full, *archive)
        first = digest(file)
    with Installation(folder / "to", empty_url) as empty:
        empty.run("manage.py", "create_project", "bench")
        command = ("import_rankings", str(file), "--project", "bench", "--format", "jsonl")
        yield "import the archive", measured(empty, *command)
        empty.run("manage.py", *archive)
        if digest(file) != first:
            raise SystemExit("the archive of the copy is another one")
    file.unlink()
    agreement = ("measure_agreement", "--project", "bench")
    yield "measure agreement", measured(full, *agreement)


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
            print(f"{options.database}, {rankings:,} rankings of {rankings // A_PROMPT:,} prompts")
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
