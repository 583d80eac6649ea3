"""Measure how long a labeller's submit waits while a file is imported.

    .venv/bin/python benchmarks/import_waits.py [--lines 20000 100000] [--database sqlite]

A labeller submits a ranking every 0.2 seconds to `manage.py serve`, and sends it again after an
answer 503. Meanwhile four commands run, one after another, each in its own process:

    prompts  imports prompts, each with 6 responses of 60 words
    ranked   imports the rankings of these prompts, by 20 labellers
    new      imports as many other prompts with their rankings
    refused  imports as many others, of which the last line is bad

The table has the seconds of each command, how long the submits waited, and how many answers were
503. Without a command, a submit takes some milliseconds.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.installation import (
    ROOT,
    Connection,
    Installation,
    embedded_postgresql,
    new_database,
    quantile,
)
from benchmarks.storm import URL, read_page

LETTERS = "abcdefghijklmnopqrstuvwxyz"
PAUSE = 0.2  # seconds between two submits


class Labeller:
    """A labeller who submits rankings one after another, and measures how long each takes."""

    def __init__(self, port: int, session: str) -> None:
        self.connection = Connection(port, session)
        self.waits: list[float] = []
        self.busy = 0  # answers 503
        self.is_over = threading.Event()

    def work(self) -> None:
        page = read_page(self.connection.ask("GET", URL))
        while page is not None and not self.is_over.wait(PAUSE):
            form: dict[str, Any] = {"assignment": page.token, "key": page.key, "seconds": 5}
            form |= {f"rank-{letter}": rank for rank, letter in enumerate(page.letters, 1)}
            began = time.monotonic()
            while (answer := self.connection.ask("POST", URL, form)).status == 503:
                self.busy += 1
                time.sleep(PAUSE)
            self.waits.append(time.monotonic() - began)
            page = read_page(answer)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Submit rankings in a thread until the block ends."""
        self.waits, self.busy = [], 0
        self.is_over.clear()
        thread = threading.Thread(target=self.work)
        thread.start()
        try:
            yield
        finally:
            self.is_over.set()
            thread.join()
            self.connection.drop()


def write_rankings(path: Path, count: int, seed: int, last: str = "") -> None:
    rng = random.Random(seed)
    words = ["".join(rng.choices(LETTERS, k=rng.randint(2, 9))) for _ in range(5000)]
    names = [f"r{k}" for k in range(6)]
    with open(path, "w", encoding="utf-8") as file:
        for i in range(count):
            responses = [{"id": id_, "text": " ".join(rng.choices(words, k=60))} for id_ in names]
            line = {"prompt": " ".join(rng.choices(words, k=20)), "responses": responses}
            ranking = [[id_] for id_ in rng.sample(names, k=6)]
            labeller = {"ranking": ranking, "labeller": f"other-{i % 20}"}
            file.write(json.dumps(line | labeller) + "\n")
        file.write(last)


def measure(installation: Installation, folder: Path, lines: int) -> None:
    known, other, bad = (folder / name for name in ("known.jsonl", "other.jsonl", "bad.jsonl"))
    write_rankings(known, lines, seed=1)
    write_rankings(other, lines, seed=2)
    write_rankings(bad, lines, seed=3, last="nonsense\n")
    (session,) = installation.fill(prompts=20_000, labellers=1)
    installation.start()
    labeller = Labeller(installation.port, session)
    print(f"{lines:,} lines   seconds   submits: median  95th percentile  longest  503")
    for name, command, path in (
        ("prompts", "import_prompts", known),
        ("ranked", "import_rankings", known),
        ("new", "import_rankings", other),
        ("refused", "import_rankings", bad),
    ):
        began = time.monotonic()
        with labeller.at_work():
            run(installation, command, str(path), "--project", "bench")
        seconds, waits = time.monotonic() - began, labeller.waits
        figures = (quantile(waits, 0.5), quantile(waits, 0.95), max(waits))
        print(
            f"{name:>10} {seconds:9.1f} {figures[0]:17.2f} {figures[1]:16.2f} {figures[2]:8.2f}"
            f" {labeller.busy:4}",
            flush=True,
        )


def run(installation: Installation, *command: str) -> None:
    """Run a command of manage.py, which may refuse its file."""
    subprocess.run(
        [sys.executable, "manage.py", *command],
        cwd=ROOT,
        env=installation.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lines", type=int, nargs="+", default=[20_000, 100_000])
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = embedded_postgresql(folder) if options.database == "postgresql" else ""
        for lines in options.lines:
            here = folder / str(lines)
            here.mkdir()
            url = new_database(server, f"waits_{lines}") if server else ""
            with Installation(here, url) as installation:
                measure(installation, here, lines)


if __name__ == "__main__":
    main()
