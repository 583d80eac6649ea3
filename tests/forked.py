"""Commands in processes of their own that need not import torch anew.

Each is forked from one process that has imported what training needs, which takes seconds. Whether
a command also starts from nothing is tested by those tests that use subprocess.
"""

import importlib
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from tests.waiting import wait_until
from training.child_process import PARENT

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    ["pytest", "tests.launching", "training.programs.score", "training.programs.serve"]
)


class Forked:
    """A process of `python -m module`, with the methods of subprocess.Popen that are used.

    Like Popen it takes a command and an environment. What it writes goes to files, read by
    `communicate`, or to the file that is given. With a count, torchrun starts so many processes.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        stdout: IO[bytes] | int | None = None,
        stderr: IO[bytes] | int | None = None,
        count: int | None = None,
        **other: object,
    ) -> None:
        assert list(command[:2]) == [sys.executable, "-m"]
        module, *arguments = command[2:]
        self._folder = tempfile.TemporaryDirectory()
        self.files = [
            Path(self._folder.name) / name if given is None or isinstance(given, int)
            else Path(given.name)
            for name, given in (("out", stdout), ("err", stderr))
        ]  # fmt: skip
        for file in self.files:
            file.touch()
        target, head = (_run, ()) if count is None else (_launch, (count,))
        environment = dict(os.environ if env is None else env)
        given = (self.files, environment, target, (*head, module, arguments))
        self._process = FORKS.Process(target=_begin, args=given)
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired("a forked process", timeout or 0)
        return self._process.exitcode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        self.wait(timeout)
        out, err = (file.read_text(errors="replace") for file in self.files)
        return out, err

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def first_line(process: "subprocess.Popen[str] | Forked") -> str:
    """Return the first line that a process writes to standard error, once it has."""
    if isinstance(process, subprocess.Popen):
        assert process.stderr is not None
        return process.stderr.readline()
    wait_until(lambda: b"\n" in process.files[1].read_bytes(), process)
    return process.files[1].read_text().splitlines()[0]


def _begin(
    files: Sequence[Path],
    environment: Mapping[str, str],
    target: Callable[..., None],
    given: Sequence[Any],
) -> None:
    """Become the command, in the process that was forked for it."""
    for number, file in enumerate(files, start=1):
        os.dup2(os.open(file, os.O_WRONLY | os.O_APPEND), number)
    os.environ.clear()
    os.environ.update(environment)
    if PARENT in os.environ:
        os.environ[PARENT] = str(os.getppid())  # the process that forks ends with pytest
    target(*given)


def _run(module: str, arguments: list[str]) -> None:
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _launch(count: int, module: str, arguments: list[str]) -> None:
    """Launch processes by a module that is imported by name, because it imports torch."""
    importlib.import_module("tests.launching").launch(count, module, arguments)
