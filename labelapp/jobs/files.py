"""Jobs that read or write a file: their folders and their progress.

While a job runs, its task worker writes its progress into the folder, and checks there whether to
stop. It does not use the database: nobody would see what a long transaction writes before it ends,
and SQLite has only one writer.
"""

import json
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from labelapp.jobs import jobs
from labelapp.jobs.jobs import StoppedError
from labelapp.models import FileTransfer, State, TrainingRun

BEAT_SECONDS = 0.5  # between two reports of progress
PROGRESS = "progress.json"
STOP = "stop"
RUNS = "runs"

AnyFile = TypeVar("AnyFile", bound=FileTransfer)
Advance = Callable[[int], None]


class Folder:
    """The folder of a job, which only this user of the machine can read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write_progress(self, done: int, total: int) -> None:
        """Write the progress atomically; on a full disk, not at all."""
        path = self.path / PROGRESS
        part = path.with_suffix(".part")
        with suppress(OSError):
            part.write_text(json.dumps([done, total]), encoding="utf-8")
            part.replace(path)

    def read_progress(self) -> tuple[int, int]:
        """Return the amount done and the total, or (0, 0) if nothing was reported."""
        try:
            done, total = json.loads((self.path / PROGRESS).read_text(encoding="utf-8"))
            return int(done), int(total)
        except (OSError, ValueError, TypeError):
            return 0, 0

    def is_silent(self, seconds: float) -> bool:
        """Return whether no progress was written in the last `seconds`."""
        try:
            written = (self.path / PROGRESS).stat().st_mtime
        except OSError:
            return True
        return abs(time.time() - written) > seconds

    def ask_to_stop(self) -> None:
        with suppress(FileNotFoundError):  # without a folder there is nothing to stop
            (self.path / STOP).touch()

    @property
    def is_to_stop(self) -> bool:
        return (self.path / STOP).exists()

    def clear(self) -> None:
        """Remove the stop request and the progress of an earlier attempt."""
        for name in (STOP, PROGRESS):
            (self.path / name).unlink(missing_ok=True)


@contextmanager
def beating(transfer: FileTransfer) -> Iterator[Advance]:
    """Write a heartbeat in a thread until the block ends.

    The block gets a function to call with the amount done, which raises StoppedError if the job
    was asked to stop.
    """
    folder, is_to_stop = folder_of(transfer), threading.Event()
    beaten = time.monotonic()

    def write() -> None:
        nonlocal beaten
        folder.write_progress(transfer.done, transfer.total)
        if folder.is_to_stop:
            is_to_stop.set()
        if time.monotonic() - beaten > jobs.HEARTBEAT.total_seconds():
            beaten = time.monotonic()
            beat_in_database(transfer)

    def advance(done: int) -> None:
        transfer.done = done
        if is_to_stop.is_set():
            raise StoppedError

    write()
    with jobs.repeating(write, BEAT_SECONDS):
        yield advance


def beat_in_database(transfer: FileTransfer) -> None:
    """Write a heartbeat for other machines, of which SQLite has none."""
    if connection.vendor == "sqlite":
        return
    with suppress(DatabaseError), transaction.atomic():
        # The job itself may have locked its row: it is about to end.
        mine = jobs.row(transfer).select_for_update(skip_locked=True).filter(state=State.RUNNING)
        if mine.values_list("pk").first():
            jobs.row(transfer).update(heartbeat_at=Now())


def name_folder(job: FileTransfer | TrainingRun, parent: str) -> None:
    """Give a saved job the name of its own folder in the folder `parent`."""
    # The key alone is not unique: after a restored backup it may be given a second time.
    job.folder = f"{parent}/{job.pk}-{secrets.token_hex(8)}"
    job.save(update_fields=["folder"])


def runs_dir() -> Path:
    """Return the folder of the runs' folders, which workers of other machines may share."""
    return settings.RUNS_DIR or settings.DATA_DIR / RUNS


def path_of(job: FileTransfer | TrainingRun) -> Path:
    """Return the path of the folder of a job that has one."""
    if isinstance(job, TrainingRun):
        return runs_dir() / job.folder.removeprefix(f"{RUNS}/")
    return settings.DATA_DIR / job.folder


def folder_of(transfer: FileTransfer) -> Folder:
    return Folder(path_of(transfer))


def remove_folder(job: FileTransfer | TrainingRun) -> None:
    """Delete the folder of a job, if it has one, with everything in it."""
    if job.folder:  # else this would be DATA_DIR
        shutil.rmtree(path_of(job), ignore_errors=True)


def make_folder(transfer: FileTransfer) -> Folder:
    """Create the folder of a saved transfer."""
    name_folder(transfer, f"{transfer._meta.model_name}s")
    folder = folder_of(transfer)
    folder.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.path.mkdir(mode=0o700)
    return folder


def read_progress(transfer: FileTransfer) -> None:
    """Set the progress of an active job from its folder."""
    if transfer.is_active:
        folder = folder_of(transfer)
        transfer.done, transfer.total = folder.read_progress()
        transfer.stop_requested = folder.is_to_stop


def request_stop(transfer: FileTransfer) -> None:
    """Ask an active job to stop. A queued one stops at once, a running one within a second."""
    if transfer.is_active:
        folder_of(transfer).ask_to_stop()
    if transfer.state == State.QUEUED:
        jobs.request_stop(transfer)


def mark_lost(transfers: QuerySet[AnyFile]) -> list[AnyFile]:
    """Settle the jobs whose task worker was killed, and return those that have failed."""
    silence = transfers.model.LOST_AFTER.total_seconds()
    return jobs.mark_lost(
        transfers,
        is_silent=lambda transfer: folder_of(transfer).is_silent(silence),
        is_to_stop=lambda transfer: folder_of(transfer).is_to_stop,
    )


def execute(transfer: FileTransfer, work: Callable[[Advance], Mapping[str, Any] | None]) -> None:
    """Do the work of a queued job with a heartbeat, and store its final state."""

    def with_heartbeat() -> Mapping[str, Any] | None:
        with beating(transfer) as advance:
            return work(advance)

    jobs.execute(transfer, with_heartbeat)
