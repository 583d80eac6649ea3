"""Files on their way in and out: their folders, and the work on them in the background.

Whoever works on a file says in its folder how far it is, and looks there whether to stop. The
database would not do: on SQLite an import holds the only write lock until it ends.
"""

import json
import os
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

from django.conf import settings
from django.utils import timezone

from labelapp.db.retry import patiently
from labelapp.models import FileState, FileTransfer, Project

BEAT_SECONDS = 0.5  # how often the work says how far it is
LOST_AFTER = timedelta(minutes=1)  # without a beat
PROGRESS = "progress.json"
STOP = "stop"


class StoppedError(Exception):
    """Somebody asked the work to stop."""


class FailedError(Exception):
    """The work cannot be done; the message is the reason in words."""


class Progress(NamedTuple):
    done: int = 0
    total: int = 0  # 0: not known


class Folder:
    """What lies on the disk of one file on its way. Nobody but us may look into it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def make(self) -> None:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path.mkdir(mode=0o700)

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)

    def write_progress(self, progress: Progress) -> None:
        """In one move. On a full disk the time at least is written, which says: still at it."""
        path = self.path / PROGRESS
        part = path.with_suffix(".part")
        try:
            part.write_text(json.dumps(list(progress)), encoding="utf-8")
            part.replace(path)
        except OSError:
            with suppress(OSError):
                os.utime(path)

    def read_progress(self) -> Progress:
        try:
            done, total = json.loads((self.path / PROGRESS).read_text(encoding="utf-8"))
            return Progress(int(done), int(total))
        except (OSError, ValueError, TypeError):
            return Progress()

    @property
    def is_silent(self) -> bool:
        """Whether nobody has worked here for long."""
        try:
            beaten = (self.path / PROGRESS).stat().st_mtime
        except OSError:
            return True
        return time.time() - beaten > LOST_AFTER.total_seconds()

    def ask_to_stop(self) -> None:
        with suppress(FileNotFoundError):  # no folder: nothing to stop
            (self.path / STOP).touch()

    @property
    def is_to_stop(self) -> bool:
        return (self.path / STOP).exists()

    def begin_anew(self) -> None:
        """Forget what was asked of work before, and how far it came."""
        for name in (STOP, PROGRESS):
            (self.path / name).unlink(missing_ok=True)


class Beat:
    """How far some work is; a thread beside it tells the folder, and looks whether to stop."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self.done = 0
        self.total = 0
        self.is_to_stop = False

    def advance(self, done: int) -> None:
        """Raises StoppedError where somebody asked for it."""
        self.done = done
        if self.is_to_stop:
            raise StoppedError

    def tell(self) -> None:
        self.folder.write_progress(Progress(self.done, self.total))
        self.is_to_stop = self.folder.is_to_stop


@contextmanager
def beating(folder: Folder) -> Iterator[Beat]:
    """A beat that is told twice a second until the block ends, whatever the block waits for."""
    beat, over = Beat(folder), threading.Event()
    beat.tell()

    def keep_telling() -> None:
        while not over.wait(BEAT_SECONDS):
            beat.tell()

    thread = threading.Thread(target=keep_telling, daemon=True)
    thread.start()
    try:
        yield beat
    finally:
        over.set()
        thread.join()


def folder_of(transfer: FileTransfer) -> Folder:
    return Folder(settings.DATA_DIR / transfer.folder)


def make_folder(transfer: FileTransfer) -> Folder:
    """A folder for a file that has a row already."""
    # Not the number alone: after a restored backup it may be given a second time.
    name = f"{transfer.pk}-{secrets.token_hex(8)}"
    transfer.folder = f"{transfer._meta.model_name}s/{name}"
    transfer.save(update_fields=["folder"])
    folder = folder_of(transfer)
    folder.make()
    return folder


def request_stop(transfer: FileTransfer) -> None:
    """Ask the work to stop: at once if it still waits, else within a second."""
    folder_of(transfer).ask_to_stop()
    if transfer.state == FileState.QUEUED:
        waiting = rows(transfer).filter(state=FileState.QUEUED)
        waiting.update(state=FileState.STOPPED, finished_at=timezone.now())


def mark_lost(kind: type[FileTransfer], project: Project) -> list[FileTransfer]:
    """Fail the project's files whose worker has been silent: it was killed, or its machine was."""
    long_ago = timezone.now() - LOST_AFTER
    running = kind._default_manager.filter(
        project=project, state=FileState.RUNNING, heartbeat_at__lt=long_ago
    )
    lost = [transfer for transfer in running if folder_of(transfer).is_silent]
    for transfer in lost:
        end(transfer, FileState.FAILED, reason="The task worker that was at it has gone.")
    return lost


def execute(transfer: FileTransfer, work: Callable[[Beat], None]) -> None:
    """Do the work on a file; on return its row says what came of it.

    A file that is not queued any more is left alone.
    """
    queued = rows(transfer).filter(state=FileState.QUEUED)
    begun = {"state": FileState.RUNNING, "heartbeat_at": timezone.now()}
    if not patiently(lambda: queued.update(**begun)):
        return
    try:
        with beating(folder_of(transfer)) as beat:
            work(beat)
    except StoppedError:
        end(transfer, FileState.STOPPED, reason="Stopped on request.")
    except FailedError as error:
        end(transfer, FileState.FAILED, reason=str(error))
    except OSError as error:
        reason = f"The disk of the machine failed: {error.strerror or error}."
        end(transfer, FileState.FAILED, reason=reason)
    except (KeyboardInterrupt, SystemExit):
        end(transfer, FileState.FAILED, reason="The task worker was stopped.")
        raise
    except Exception as error:  # a fault of ours must not leave a file that looks alive
        end(transfer, FileState.FAILED, reason=f"Podium failed: {error or type(error).__name__}")
        raise


def end(
    transfer: FileTransfer,
    state: FileState,
    *,
    reason: str = "",
    outcome: dict[str, Any] | None = None,
) -> bool:
    """End work that is running. False where others have ended it: then nothing may come of it."""
    now = timezone.now()
    ended = {"state": state, "reason": reason, "finished_at": now, "heartbeat_at": now}
    ours = rows(transfer).filter(state=FileState.RUNNING)
    found = patiently(lambda: ours.update(**ended, outcome=outcome or {}))
    transfer.refresh_from_db()
    return bool(found)


def rows(transfer: FileTransfer) -> Any:
    return type(transfer)._default_manager.filter(pk=transfer.pk)
