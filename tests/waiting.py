"""Wait until another thread or process has done something."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

# A process that is aborted then writes where each of its threads was.
os.environ["PYTHONFAULTHANDLER"] = "1"

PATIENCE = 600.0  # seconds: a bound for the busiest machine, not a measure


def wait_until(
    condition: Callable[[], object], process: "subprocess.Popen[str] | None" = None
) -> None:
    """Wait until a condition is true; fail if the process that is to meet it has ended.

    Looks less and less often, because many a condition costs as much as what is waited for.
    """
    deadline = time.monotonic() + PATIENCE
    pause = 0.01
    while not condition():
        assert time.monotonic() < deadline
        assert process is None or process.poll() is None, process.communicate()[1]
        time.sleep(pause)
        pause = min(1.2 * pause, 0.25)


def finish(process: "subprocess.Popen[str]") -> str:
    """Wait until a process has ended, and return what it wrote to standard error.

    If it does not end, it is aborted with its children; the failure shows their stacks.
    """
    try:
        return process.communicate(timeout=PATIENCE)[1]
    except subprocess.TimeoutExpired:
        for pid in (*descendants(process.pid), process.pid):
            os.kill(pid, signal.SIGABRT)
        pytest.fail(f"the process did not end:\n{process.communicate()[1]}")


def descendants(pid: int) -> Iterator[int]:
    """Yield the children of a process, each after its own children."""
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        yield from descendants(int(child))
        yield int(child)
