"""Commands in processes of their own that need not import torch anew.

Each is forked from one process that has imported what training needs, which takes seconds. Whether
a command also starts from nothing is tested by those tests that use subprocess.
"""

import importlib
import multiprocessing
import os
import runpy
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["pytest", "tests.commands", "training.programs.train"])


class Command:
    """A running `python -m module`, with the methods of subprocess.Popen that the tests use.

    With a count, it is torchrun that starts so many processes of the module.
    """

    def __init__(self, module: str, *arguments: str, count: int | None = None) -> None:
        self._folder = tempfile.TemporaryDirectory()
        files = [Path(self._folder.name) / name for name in ("out", "err")]
        for file in files:
            file.touch()
        self._out, self._err = files
        target, head = (_run, ()) if count is None else (_launch, (count,))
        given = (*head, module, [*arguments])
        self._process = FORKS.Process(target=_begin, args=(files, dict(os.environ), target, given))
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Wait until the process has ended, and return what it wrote. Raises TimeoutError."""
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise TimeoutError
        return self._out.read_text(), self._err.read_text()


def _begin(
    files: list[Path],
    environment: Mapping[str, str],
    target: Callable[..., None],
    given: Sequence[Any],
) -> None:
    """Become the command, in the process that was forked for it."""
    for number, file in enumerate(files, start=1):
        os.dup2(os.open(file, os.O_WRONLY | os.O_APPEND), number)
    os.environ.clear()
    os.environ.update(environment)
    torch.set_num_threads(1)
    target(*given)


def _run(module: str, arguments: list[str]) -> None:
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _launch(count: int, module: str, arguments: list[str]) -> None:
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=count,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",  # any free port
        max_restarts=0,
        start_method="fork",
    )
    elastic_launch(config, _work)(module, arguments)


def _work(module: str, arguments: list[str]) -> None:
    """Do the work of one of several processes; the launcher waits for its return."""
    if code := importlib.import_module(module).main(arguments):
        sys.exit(code)
