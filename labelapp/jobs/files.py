"""Jobs that read or write a file: their folders, and their progress.

While the job runs, its task worker writes in the folder how far it is, and looks there whether to
stop. The database would not do: on SQLite an import holds the only write lock until it ends.
"""

import json
import os
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from django.conf import settings
from django.db.models import QuerySet

from labelapp.jobs import jobs
from labelapp.jobs.jobs import StoppedError
from labelapp.models import FileTransfer, State, TrainingRun

BEAT_SECONDS = 0.5  # how often the work says how far it is
PROGRESS = "progress.json"
STOP = "stop"

AnyFile = TypeVar("AnyFile", bound=FileTransfer)
Advance = Callable[[int], None]


class Folder:
    """The folder of a job on the disk. Nobody but us may look into it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)

    def write_progress(self, done: int, total: int) -> None:
        """In one move. On a full disk the time at least is written, which says: still at it."""
        path = self.path / PROGRESS
        part = path.with_suffix(".part")
        try:
            part.write_text(json.dumps([done, total]), encoding="utf-8")
            part.replace(path)
        except OSError:
            with suppress(OSError):
                os.utime(path)

    def read_progress(self) -> tuple[int, int]:
        """Return how much is done of how much; (0, 0) where nobody has said."""
        try:
            done, total = json.loads((self.path / PROGRESS).read_text(encoding="utf-8"))
            return int(done), int(total)
        except (OSError, ValueError, TypeError):
            return 0, 0

    def is_silent(self, seconds: float) -> bool:
        """Return whether nobody has worked here for so long."""
        try:
            beaten = (self.path / PROGRESS).stat().st_mtime
        except OSError:
            return True
        return time.time() - beaten > seconds

    def ask_to_stop(self) -> None:
        with suppress(FileNotFoundError):  # no folder: nothing to stop
            (self.path / STOP).touch()

    @property
    def is_to_stop(self) -> bool:
        return (self.path / STOP).exists()

    def clear(self) -> None:
        """Forget what was asked of work before, and how far it came."""
        for name in (STOP, PROGRESS):
            (self.path / name).unlink(missing_ok=True)


@contextmanager
def beating(transfer: FileTransfer) -> Iterator[Advance]:
    """Write the heartbeat twice a second until the block ends, whatever the block waits for.

    The block is handed a function to call with how much is done; it raises StoppedError where
    somebody asked the job to stop.
    """
    folder, is_over, is_to_stop = folder_of(transfer), threading.Event(), threading.Event()

    def write() -> None:
        folder.write_progress(transfer.done, transfer.total)
        if folder.is_to_stop:
            is_to_stop.set()

    def keep_writing() -> None:
        while not is_over.wait(BEAT_SECONDS):
            write()

    def advance(done: int) -> None:
        transfer.done = done
        if is_to_stop.is_set():
            raise StoppedError

    write()
    thread = threading.Thread(target=keep_writing, daemon=True)
    thread.start()
    try:
        yield advance
    finally:
        is_over.set()
        thread.join()


def name_folder(job: FileTransfer | TrainingRun, parent: str) -> None:
    """Give a saved job the name of a folder of its own in the folder `parent`."""
    # Not the number alone: after a restored backup it may be given a second time.
    job.folder = f"{parent}/{job.pk}-{secrets.token_hex(8)}"
    job.save(update_fields=["folder"])


def folder_of(transfer: FileTransfer) -> Folder:
    return Folder(settings.DATA_DIR / transfer.folder)


def make_folder(transfer: FileTransfer) -> Folder:
    """Make the folder of a file that has a row already."""
    name_folder(transfer, f"{transfer._meta.model_name}s")
    folder = folder_of(transfer)
    folder.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.path.mkdir(mode=0o700)
    return folder


def read_progress(transfer: FileTransfer) -> None:
    """Set the progress of an active job as its folder has it."""
    if transfer.is_active:
        folder = folder_of(transfer)
        transfer.done, transfer.total = folder.read_progress()
        transfer.stop_requested = folder.is_to_stop


def request_stop(transfer: FileTransfer) -> None:
    """Ask an active job to stop: at once if it still waits, else within a second."""
    if transfer.is_active:
        folder_of(transfer).ask_to_stop()
    if transfer.state == State.QUEUED:
        jobs.request_stop(transfer)


def mark_lost(transfers: QuerySet[AnyFile]) -> list[AnyFile]:
    """Fail the running jobs whose task worker was killed, and return them."""
    silence = transfers.model.LOST_AFTER.total_seconds()
    return jobs.mark_lost(transfers, lambda transfer: folder_of(transfer).is_silent(silence))


def execute(transfer: FileTransfer, work: Callable[[Advance], Mapping[str, Any] | None]) -> None:
    """Do the work of a queued job with a heartbeat, and store how it ended."""

    def with_heartbeat() -> Mapping[str, Any] | None:
        with beating(transfer) as advance:
            return work(advance)

    jobs.execute(transfer, with_heartbeat)
