"""Load for the reward service: clients that ask it for rewards, one request after the other."""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from http.client import HTTPConnection, HTTPException
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from benchmarks.measuring import ROOT
from training.child_process import for_child
from training.data.file import FileSource

EXAMPLES = ROOT / "examples" / "stackexchange.jsonl.gz"
LONGEST_ANSWER = 120
"""Seconds after which a client gives up."""


class Answer(NamedTuple):
    """The status of an answer, or None where the connection ended without one."""

    status: int | None
    sent: float
    seconds: float
    retry_after: str | None = None


class Answers(NamedTuple):
    """The answers that clients got, and the time that all took."""

    all: list[Answer]
    took: float

    @property
    def statuses(self) -> Counter[int | None]:
        return Counter(one.status for one in self.all)

    @property
    def seconds(self) -> list[float]:
        """Return how long each rewarded request took."""
        return [one.seconds for one in self.all if one.status == 200]


def add_load_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what a request contains, and how long clients ask."""
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--responses", type=int, default=9)
    parser.add_argument("--prompt-words", type=int, default=60)
    parser.add_argument("--response-words", type=int, default=60)
    parser.add_argument("--seconds", type=float, default=10.0)


def example_words() -> list[str]:
    """Return the words of some responses in the examples."""
    lines = islice(FileSource(EXAMPLES).lines(), 50)
    texts = (response.text for line in lines for response in line.responses)
    return [word for text in texts for word in text.split()]


@contextmanager
def service(
    model: Path | str, threads: int, *more: str
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start the service on a run's folder, and give its process and its address."""
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "training.serve", "--model", str(model)),
            *("--bind", "127.0.0.1:0", "--when-cut", "score", *more),
        ],
        cwd=ROOT,
        env=for_child({**os.environ, "OMP_NUM_THREADS": str(threads)}),
        stderr=subprocess.PIPE,
        text=True,
    )
    lines = list(until_started(process))
    try:
        if not lines or "gives rewards at" not in lines[-1]:
            why = lines[-1].strip() if lines else "it said nothing"
            raise SystemExit(f"error: the service has not started: {why}")
        yield process, lines[-1].split()[-1]
    finally:
        process.terminate()
        process.wait()


def until_started(process: subprocess.Popen[str]) -> Iterator[str]:
    """Yield what the service says until it gives its address, or ends."""
    for line in process.stderr or ():
        yield line
        if "gives rewards at" in line:
            return


def cpu_seconds(pid: int) -> float:
    """Return the time that processors have spent on a process (proc_pid_stat(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def request(words: list[str], arguments: argparse.Namespace, rng: random.Random) -> dict[str, Any]:
    def text(count: int) -> str:
        return " ".join(rng.choices(words, k=count))

    return {
        "prompt": text(arguments.prompt_words),
        "responses": [text(arguments.response_words) for _ in range(arguments.responses)],
    }


def ask(
    url: str, words: list[str], arguments: argparse.Namespace, clients: int, seconds: float
) -> Answers:
    """Return what clients were answered, each of which asks again as soon as it is answered.

    One that is told to wait does so, and one that the service leaves does not come back.
    """
    ends = time.monotonic() + seconds
    address = urlsplit(url)

    def client(number: int) -> list[Answer]:
        rng, found = random.Random(number), []
        bodies = [json.dumps(request(words, arguments, rng)).encode() for _ in range(8)]
        connection = HTTPConnection(address.hostname or "", address.port, timeout=LONGEST_ANSWER)
        with closing(connection):
            while time.monotonic() < ends:
                began = time.monotonic()
                try:
                    connection.request(
                        "POST", "/score", rng.choice(bodies), {"Content-Type": "application/json"}
                    )
                    answer = connection.getresponse()
                    answer.read()
                except (OSError, HTTPException):
                    found.append(Answer(None, began, time.monotonic() - began))
                    break
                after = answer.headers.get("retry-after")
                found.append(Answer(answer.status, began, time.monotonic() - began, after))
                if answer.status == 503:
                    time.sleep(min(float(after or 1), max(0.0, ends - time.monotonic())))
        return found

    began = time.monotonic()
    with ThreadPoolExecutor(clients) as pool:
        found = [one for answers in pool.map(client, range(clients)) for one in answers]
    return Answers(found, time.monotonic() - began)


def percentiles(seconds: list[float]) -> tuple[float, float]:
    """Return the median and the 99th percentile of times, in milliseconds."""
    ordered = sorted(seconds)
    middle, late = (ordered[int(part * (len(ordered) - 1))] for part in (0.5, 0.99))
    return 1e3 * middle, 1e3 * late
