"""Wait for the helper process of a job, and end it when the job must stop."""

import subprocess
from collections.abc import Callable

from django.db import InterfaceError, OperationalError, connection

from labelapp.db.retry import POLL_SECONDS
from labelapp.jobs.jobs import StoppedError

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
    return f"signal {-returncode}" if returncode < 0 else f"exit status {returncode}"
