"""Wait for the helper process of a job, and end it when the job is to stop."""

import subprocess
from collections.abc import Callable

from django.db import InterfaceError, OperationalError, connection

from labelapp.db.retry import POLL_SECONDS
from labelapp.jobs.jobs import StoppedError

STOP_SECONDS = 10  # between asking a process to stop and killing it


def watch(process: "subprocess.Popen[str]", beat: Callable[[], bool]) -> tuple[str, str]:
    """Return what a process wrote into its pipes, once it has ended.

    `beat` is called while it runs. Raises StoppedError where it returns False.
    """
    try:
        while True:
            try:
                return process.communicate(timeout=POLL_SECONDS)
            except subprocess.TimeoutExpired:
                pass
            try:
                goes_on = beat()
            except (OperationalError, InterfaceError):
                connection.close()  # the database is away or busy: the process goes on
                continue
            if not goes_on:
                raise StoppedError
    finally:
        terminate(process)


def terminate(process: "subprocess.Popen[str]") -> None:
    """Stop the process if it still runs, gently first."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def describe_end(returncode: int) -> str:
    """Return how a process ended, in words."""
    return f"signal {-returncode}" if returncode < 0 else f"exit status {returncode}"
