"""Run the processes of a training run, and copy their progress into the database."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from django.conf import settings
from django.utils.translation import gettext_noop

from labelapp.db.retry import with_retries
from labelapp.jobs import files, jobs, process
from labelapp.jobs.environment import environment
from labelapp.jobs.jobs import FailedError
from labelapp.jobs.process import STOP_SECONDS
from labelapp.models import TrainingRun
from training.runs.folder import LOG, Progress, RunFolder
from training.sentences import sentence


def run_folder(run: TrainingRun) -> RunFolder:
    return RunFolder(files.path_of(run))


def is_elsewhere(run: TrainingRun) -> bool:
    """Return True if a run has begun on a machine whose folder cannot be seen from here."""
    begun = bool(run.folder) and run.started_at is not None
    return begun and not run_folder(run).path.is_dir()


def log_path(run: TrainingRun) -> Path:
    return run_folder(run).path / LOG


def command(program: str, run: TrainingRun) -> list[str]:
    folder = str(run_folder(run).path)
    module = ["-m", f"training.{program}", f"--project={run.project.slug}"]
    return [sys.executable, *module, "--run-folder", folder]


def watch(run: TrainingRun, arguments: Sequence[str], show: bool) -> None:
    """Run a process to its end, copying its progress to the run.

    Raises StoppedError if the run was asked to stop, and FailedError if the process failed.
    """
    folder = run_folder(run)
    folder.path.mkdir(parents=True, exist_ok=True)
    await_orphan(run)
    before = folder.read_progress()  # of an earlier process, if the run is resumed
    with open(folder.path / LOG, "ab") as log:
        logged = log.tell()
        started = subprocess.Popen(
            arguments,
            cwd=settings.BASE_DIR,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=None if show else log,
            stderr=None if show else log,
            text=True,
        )
    process.watch(started, lambda: copy_progress(run, folder.read_progress()))
    progress = folder.read_progress()
    if progress != before:
        with_retries(lambda: copy_progress(run, progress))
    if started.returncode != 0:
        own = progress if progress != before else None
        raise FailedError(failure(started.returncode, own, folder.path / LOG, logged))


def end_orphan(run: TrainingRun) -> bool:
    """Ask the process of a killed watcher to end, if one is at work. Return whether there is one.

    It saves a checkpoint first, from which the run can be resumed.
    """
    folder = run_folder(run)
    pid = folder.worker()
    if pid is None or str(folder.path) not in command_line(pid):
        return False  # nobody, or a process of another machine
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    return True


def await_orphan(run: TrainingRun) -> None:
    """End the process of a killed watcher, and kill it if it takes longer than STOP_SECONDS."""
    folder = run_folder(run)
    if not end_orphan(run):
        return
    begun = time.monotonic()
    while (pid := folder.worker()) and (waited := time.monotonic() - begun) < 2 * STOP_SECONDS:
        if waited > STOP_SECONDS:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.1)


def command_line(pid: int) -> str:
    """Return the command line of a process of this machine, or ""."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    ps = ["/bin/ps", "-ww", "-o", "command=", "-p", str(pid)]  # without /proc, as on macOS
    return subprocess.run(ps, capture_output=True, text=True, check=False).stdout


def failure(returncode: int, progress: Progress | None, log: Path, logged: int) -> str:
    """Return the reason that a failed process gave, or how it ended.

    The first `logged` bytes of the log are those of earlier processes.
    """
    if progress is not None and progress.state == "failed" and progress.reason:
        return progress.reason
    if returncode == -signal.SIGKILL:
        return gettext_noop(
            "The training process was killed; the machine may have run out of memory."
        )
    lines = tail(log, min(4096, log.stat().st_size - logged)).splitlines()
    if lines and lines[-1].startswith("error: "):
        return lines[-1].removeprefix("error: ")
    how = process.describe_end(returncode)
    return sentence("The training process ended with %(how)s. See its log for details.", how=how)


def tail(path: Path, size: int) -> str:
    """Return the last `size` bytes of a file as text, or "" if there is no file."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - size))
            return file.read().decode("utf-8", "replace")
    except OSError:
        return ""


def copy_progress(run: TrainingRun, progress: Progress | None) -> bool:
    """Copy the progress of the process to the run. Return False if the run must stop."""
    if progress is None or progress.state == "failed":
        return jobs.beat(run)
    return jobs.beat(
        run,
        stage=progress.state,
        done=progress.step,
        total=progress.steps,
        seconds=progress.seconds,
        loss=progress.loss,
    )
