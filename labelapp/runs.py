"""Training runs: start one, watch its process, take its results into the database.

The training itself is a program of its own (`python -m training.train`). It reads the database and
writes a run folder; what it reports there is copied here. When it crashes or is killed, nothing
else goes with it.
"""

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

from django.conf import settings
from django.db import IntegrityError, InterfaceError, OperationalError, connection, transaction
from django.utils import timezone

from labelapp import scoring
from labelapp.models import Placement, Project, State, TrainingRun, User
from training.config import TrainConfig
from training.runs.folder import (
    LOG,
    Progress,
    RunFolder,
)

POLL_SECONDS = 0.5
HEARTBEAT_SECONDS = 5  # how often a run says that it is alive, though nothing changed
LOST_AFTER = timedelta(minutes=2)  # without a heartbeat
STOP_SECONDS = 10  # between asking a process to stop and killing it
PATIENCE_SECONDS = 300  # with a database that is away

Result = TypeVar("Result")


class CannotTrainError(Exception):
    """The project cannot be trained on now; the message says why and what to do."""


class RunStoppedError(Exception):
    """Somebody asked the run to stop."""


class RunFailedError(Exception):
    """The run's process failed; the message is the reason in words."""


def why_not(project: Project) -> str:
    """Why no run can be started now, in a sentence; empty when one can."""
    if project.runs.active().exists():
        return "A run is in progress. Wait for it, or stop it."
    # Two ranks that differ make a comparison, so somebody stands in second place.
    prompts = Placement.objects.filter(
        rank=2, ranking__is_current=True, ranking__prompt__project=project
    )
    comparable = len(prompts.values_list("ranking__prompt_id").distinct()[:2])
    if comparable < 2:
        return (
            "Training needs at least two prompts whose responses were ranked apart, one to learn "
            f"from and one to hold out; there {('are none', 'is one')[comparable]} yet."
        )
    return ""


def start(*, project: Project, config: TrainConfig, user: User | None = None) -> TrainingRun:
    """Queue a run. Raises CannotTrainError with the reason where none can be started."""
    mark_lost(project)
    if reason := why_not(project):
        raise CannotTrainError(reason)
    try:
        with transaction.atomic():
            run = TrainingRun.objects.create(
                project=project, started_by=user, config=config.to_json()
            )
            # Not the number alone: after a restored backup it may be given a second time.
            run.folder = f"runs/{run.pk}-{secrets.token_hex(4)}"
            run.save(update_fields=["folder"])
    except IntegrityError as error:  # of two clicks, the other came first
        raise CannotTrainError("A run is in progress. Wait for it, or stop it.") from error
    return run


def can_go_on(run: TrainingRun) -> bool:
    """Whether a run that is over left something to go on with: a checkpoint, or a trained model."""
    if run.state not in (State.FAILED, State.STOPPED) or not run.folder:
        return False
    folder = run_folder(run)
    return folder.is_unfinished or folder.is_trained


def go_on(run: TrainingRun) -> None:
    """Queue a run that failed or was stopped once more, to go on where it was.

    Raises CannotTrainError with the reason where it cannot.
    """
    mark_lost(run.project)
    run.refresh_from_db()
    if run.is_active:
        raise CannotTrainError("The run is under way already.")
    if not can_go_on(run):
        raise CannotTrainError(f"Run {run.pk} has nothing to go on from. Start a new one.")
    over = TrainingRun.objects.filter(pk=run.pk, state=run.state)
    try:
        with transaction.atomic():
            queued = over.update(
                state=State.QUEUED,
                finished_at=None,
                heartbeat_at=None,
                stop_requested=False,
                reason="",
            )
    except IntegrityError as error:
        raise CannotTrainError("A run is in progress. Wait for it, or stop it.") from error
    if not queued:  # of two clicks, the other came first
        raise CannotTrainError("The run is under way already.")
    run.refresh_from_db()


def request_stop(run: TrainingRun) -> None:
    """Ask a run to stop: at once if it still waits, else its watcher ends the process."""
    waiting = TrainingRun.objects.filter(pk=run.pk, state=State.QUEUED)
    if not waiting.update(state=State.STOPPED, finished_at=timezone.now()):
        TrainingRun.objects.filter(pk=run.pk, state=State.RUNNING).update(stop_requested=True)


def mark_lost(project: Project) -> None:
    """Fail the project's runs whose watcher has been silent: it was killed, or its machine was."""
    lost = TrainingRun.objects.filter(
        project=project, state=State.RUNNING, heartbeat_at__lt=timezone.now() - LOST_AFTER
    )
    if lost.exists():  # pages ask every two seconds: an update would take SQLite's lock each time
        lost.update(
            state=State.FAILED,
            finished_at=timezone.now(),
            reason="The task worker that watched this run has gone.",
        )


def execute(run: TrainingRun, *, show: bool = False) -> None:
    """Train, score and take the results in; on return the run is done, failed or stopped.

    With `show` the processes write to this terminal (a progress bar), else to the run's log.
    A run that is not queued any more is left alone.
    """
    queued = TrainingRun.objects.filter(pk=run.pk, state=State.QUEUED)
    now = timezone.now()
    if not queued.update(state=State.RUNNING, started_at=now, heartbeat_at=now):
        return
    try:
        config = TrainConfig.from_json(run.config)
        if not run_folder(run).is_trained:
            watch(run, [*command("train", run), *config.to_arguments()], show)
        watch(run, command("score", run), show)
        patiently(lambda: report(run, stage="storing"))
        patiently(lambda: scoring.store(run, run_folder(run)))
    except RunStoppedError:
        finish(run, State.STOPPED, "Stopped on request.")
    except (RunFailedError, OSError) as error:
        finish(run, State.FAILED, str(error))
    except (KeyboardInterrupt, SystemExit):
        finish(run, State.FAILED, "The task worker was stopped.")
        raise
    except Exception as error:  # a fault of ours must not leave a run that looks alive
        finish(run, State.FAILED, f"Podium failed: {error}")
        raise
    else:
        finish(run, State.DONE)


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


def patiently(write: Callable[[], Result]) -> Result:
    """Do what ends in a write, again if the database is away or busy, for some minutes."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return write()
        except (OperationalError, InterfaceError):
            if time.monotonic() > deadline or connection.in_atomic_block:
                raise
            connection.close()
            time.sleep(POLL_SECONDS)


def environment() -> dict[str, str]:
    """What a training process gets of the environment."""
    # On a machine that does other work too (it serves the pages), a compute thread that spins while
    # it waits for another makes training several times slower; sleeping costs almost nothing.
    polite = {"OMP_WAIT_POLICY": "PASSIVE"}
    # The database's password goes this way because other users cannot read it.
    return polite | os.environ | {"DATABASE_URL": database_url(connection.settings_dict)}


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


def finish(run: TrainingRun, state: State, reason: str = "") -> None:
    """End a run that is still running; one that was ended by others stays as it is."""
    folder = run_folder(run)
    ours = TrainingRun.objects.filter(pk=run.pk, state=State.RUNNING)
    patiently(
        lambda: ours.update(
            state=state,
            reason=reason,
            finished_at=timezone.now(),
            manifest=folder.read_manifest() or {},
            metrics=folder.read_metrics() or {},
        )
    )
    run.refresh_from_db()


def database_url(database: Mapping[str, Any]) -> str:
    """A database of Django's, as a URL for another process. Takes a connection's settings."""
    name = str(database["NAME"])
    if database["ENGINE"].endswith("sqlite3"):
        return f"sqlite:///{quote(os.path.abspath(name))}"
    user = quote(str(database["USER"] or ""), safe="")
    password = quote(str(database["PASSWORD"] or ""), safe="")
    login = f"{user}:{password}@" if password else f"{user}@" if user else ""
    host, port = str(database["HOST"] or ""), str(database["PORT"] or "")
    given = database.get("OPTIONS", {}).items()
    # How the pages prepare statements is Django's own affair, and no part of a URL.
    options = {k: v for k, v in given if type(v) in (str, int) and k != "prepare_threshold"}
    if host.startswith("/"):  # a socket's folder
        options["host"], host = host, ""
    query = f"?{urlencode(options)}" if options else ""
    return f"postgresql://{login}{host}{f':{port}' if port else ''}/{quote(name, safe='')}{query}"
