"""Wait for the helper process of a job, and end it when the job must stop."""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

from labelapp.db.retry import POLL_SECONDS
from labelapp.jobs import jobs
from labelapp.jobs.environment import environment
from labelapp.jobs.jobs import FailedError, StoppedError
from labelapp.models import Job
from training.sentences import sentence

STOP_SECONDS = 10  # between asking a process to stop and killing it


def watch(process: "subprocess.Popen[str]", beat: Callable[[], bool]) -> tuple[str, str]:
    """Wait for a process to end and return its output and errors.

    `beat` is called while the process runs. Raises StoppedError if it returns False.
    """
    try:
        while True:
            try:
                return process.communicate(timeout=POLL_SECONDS)
            except subprocess.TimeoutExpired:
                pass
            try:
                may_continue = beat()
            except (OperationalError, InterfaceError):
                connection.close()  # the database is unavailable or busy; the process continues
                continue
            if not may_continue:
                raise StoppedError
    finally:
        terminate(process)


def measure(job: Job, command: Sequence[str]) -> dict[str, Any]:
    """Run a command of manage.py for a job, and return the JSON object that it prints.

    Raises FailedError with its last line if it fails.
    """
    started = subprocess.Popen(
        [sys.executable, "manage.py", *command],
        cwd=settings.BASE_DIR,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    out, errors = watch(started, lambda: jobs.beat(job))
    if started.returncode != 0:
        lines = errors.strip().splitlines() or [describe_end(started.returncode)]
        raise FailedError(f"{lines[-1].rstrip('.')}.")
    result: dict[str, Any] = json.loads(out)
    return result


def terminate(process: "subprocess.Popen[str]") -> None:
    """Terminate the process if it still runs, and kill it after STOP_SECONDS."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def describe_end(returncode: int) -> str:
    """Return the signal or the exit status with which a process ended, in words."""
    if returncode < 0:
        return sentence("signal %(number)s", number=str(-returncode))
    return sentence("exit status %(number)s", number=str(returncode))
