"""The protocol of sampling programs: lines of JSON through pipes. Standard library only.

    request  {"id": 7, "temperature": 0.7, "seed": 3, "prompts": [{"messages": [...], "count": 2}]}
    answer   {"id": 7, "found": [{"texts": ["...", "..."], "cut": 1}]}

`found` has an entry for each prompt: the texts, of which `cut` ended because they were as long as
they may be; or an `error` that concerns this prompt only. What concerns all of them ends the
program, with a line on standard error. A program's first line says that it is ready.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import IO, Any, cast

from training.child_process import for_child

ROOT = Path(__file__).resolve().parents[2]
STOP_SECONDS = 5

_writing = threading.Lock()


class SamplingError(Exception):
    """Raised where a sampling program cannot go on; the message is one line that says why."""


def requests() -> Iterator[dict[str, Any]]:
    """Yield the requests on standard input.

    A thread of its own reads them, so that a writer never waits for an answer to be read. It
    holds no lock of standard input, which the interpreter would wait for at its end.
    """
    lines: SimpleQueue[bytes] = SimpleQueue()

    def read() -> None:
        begun = b""
        while some := os.read(0, 2**16):
            *whole, begun = (begun + some).split(b"\n")
            for line in whole:
                lines.put(line)
        lines.put(b"")

    threading.Thread(target=read, daemon=True).start()
    while line := lines.get():
        yield json.loads(line)


def say(value: Any) -> None:
    """Write an answer to standard output."""
    line = json.dumps(value) + "\n"
    with _writing:
        sys.stdout.write(line)
        sys.stdout.flush()


@dataclass
class Sampler:
    """Ask a running sampling program."""

    process: subprocess.Popen[bytes]
    said: IO[bytes]  # on standard error

    def ask(self, request: dict[str, Any]) -> None:
        """Send a request. If the program has ended, `answer` says so once all answers are read."""
        asked = cast(IO[bytes], self.process.stdin)
        with suppress(BrokenPipeError):
            asked.write(json.dumps(request).encode() + b"\n")
            asked.flush()

    def answer(self) -> dict[str, Any]:
        """Return the next answer. Raises SamplingError where the program has ended."""
        line = cast(IO[bytes], self.process.stdout).readline()
        if not line.endswith(b"\n"):
            raise SamplingError(self.reason())
        found: dict[str, Any] = json.loads(line)
        return found

    def reason(self) -> str:
        """Return the last lines that the program wrote to standard error."""
        code = self.process.wait()
        self.said.seek(0)
        lines = self.said.read().decode(errors="replace").split("\n")
        said = next((line for line in reversed(lines) if line.startswith("error: ")), "")
        said = said or next((line for line in reversed(lines) if line.strip()), "")
        return said.removeprefix("error: ") or f"the sampling program ended with {code}"


@contextmanager
def sampler(program: str, arguments: Sequence[str]) -> Iterator[Sampler]:
    """Start a program of this package, ready to be asked; it ends with the block.

    Raises SamplingError where it cannot begin.
    """
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(
            [sys.executable, "-m", f"training.sampling.{program}", *arguments],
            cwd=ROOT,
            env=for_child(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            start_new_session=True,  # Ctrl-C is for who asked: what is finished is stored first
        ) as process,
    ):
        try:
            running = Sampler(process, said)
            running.answer()
            yield running
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(STOP_SECONDS)
            process.kill()
            with suppress(BrokenPipeError):
                cast(IO[bytes], process.stdin).close()
