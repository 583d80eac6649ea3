"""A run's process: started, watched, stopped, and its progress copied into the database."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection
from django.utils import timezone

from labelapp.db.retry import POLL_SECONDS, patiently
from labelapp.jobs.environment import environment
from labelapp.models import State, TrainingRun
from training.runs.folder import (
    LOG,
    Progress,
    RunFolder,
)

HEARTBEAT_SECONDS = 5  # how often a run says that it is alive, though nothing changed


STOP_SECONDS = 10  # between asking a process to stop and killing it


class RunStoppedError(Exception):
    """Somebody asked the run to stop."""


class RunFailedError(Exception):
    """The run's process failed; the message is the reason in words."""


def run_folder(run: TrainingRun) -> RunFolder:
    return RunFolder(settings.DATA_DIR / run.folder)


def log_path(run: TrainingRun) -> Path:
    return run_folder(run).path / LOG


def command(program: str, run: TrainingRun) -> list[str]:
    folder = str(run_folder(run).path)
    module = ["-m", f"training.{program}"]
    return [sys.executable, *module, f"--project={run.project.slug}", "--run-folder", folder]


def watch(run: TrainingRun, arguments: Sequence[str], show: bool) -> None:
    """Run a process to its end, copying its progress to the run.

    Raises RunStoppedError where somebody asked for it, RunFailedError where the process failed.
    """
    folder = run_folder(run)
    folder.path.mkdir(parents=True, exist_ok=True)
    before = folder.read_progress()  # of a process that failed here, if the run goes on
    with open(folder.path / LOG, "ab") as log:
        logged = log.tell()
        process = subprocess.Popen(
            arguments,
            cwd=settings.BASE_DIR,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=None if show else log,
            stderr=None if show else log,
        )
    try:
        while process.poll() is None:
            time.sleep(POLL_SECONDS)
            try:
                wanted = copy_progress(run, folder.read_progress())
            except (OperationalError, InterfaceError):
                connection.close()  # the database is away or busy; training need not end for that
                continue
            if not wanted:
                raise RunStoppedError
    finally:
        end(process)
    progress = folder.read_progress()
    if process.returncode != 0:
        said = progress if progress != before else None
        raise RunFailedError(failure(process.returncode, said, folder.path / LOG, logged))
    patiently(lambda: copy_progress(run, progress))


def end(process: "subprocess.Popen[bytes]") -> None:
    """Stop the process if it still runs, gently first."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def failure(returncode: int, progress: Progress | None, log: Path, logged: int) -> str:
    """Why a process failed, in words: what it said itself, else how it ended.

    The log holds `logged` bytes of earlier processes.
    """
    if progress is not None and progress.state == "failed" and progress.reason:
        return progress.reason
    if returncode == -signal.SIGKILL:
        return "The training process was killed; the machine may have run out of memory."
    lines = tail(log, min(4096, log.stat().st_size - logged)).splitlines()
    if lines and lines[-1].startswith("error: "):
        return lines[-1].removeprefix("error: ")
    how = f"signal {-returncode}" if returncode < 0 else f"exit status {returncode}"
    return f"The training process ended with {how}; its log says more."


def tail(path: Path, size: int) -> str:
    """The last `size` bytes of a file as text; empty where there is none."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - size))
            return file.read().decode("utf-8", "replace")
    except OSError:
        return ""


def copy_progress(run: TrainingRun, progress: Progress | None) -> bool:
    """Copy what the process reports. False when the run is to stop, or is no longer ours."""
    if progress is None or progress.state == "failed":
        return report(run)
    return report(
        run, stage=progress.state, step=progress.step, steps=progress.steps, loss=progress.loss
    )


def report(run: TrainingRun, **values: object) -> bool:
    """Write changed values and the heartbeat. False when the run is to stop or is over."""
    changed = {name: value for name, value in values.items() if getattr(run, name) != value}
    for name, value in changed.items():
        setattr(run, name, value)
    now = timezone.now()
    silent = run.heartbeat_at is None or (now - run.heartbeat_at).total_seconds() > (
        HEARTBEAT_SECONDS
    )
    ours = TrainingRun.objects.filter(pk=run.pk, state=State.RUNNING)
    if changed or silent:
        run.heartbeat_at = now
        ours.update(heartbeat_at=now, **changed)
    return ours.filter(stop_requested=False).exists()
