"""Lock files that show which processes are alive.

The files are in DATA_DIR, or in RUNS_DIR where several machines share it. The kernel releases a
lock when its process ends, for whatever reason and whatever the clock says, so a lock shows at once
whether its owner is still alive.
"""

import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from enum import Enum
from pathlib import Path
from typing import Any

from django.conf import settings

FOLDER = "locks"
WORKER = "worker-"  # prefix of the names of the locks of task workers
SILENT_SECONDS = 60  # after which a worker whose lock cannot be seen from here counts as gone
BOOT = Path("/proc/sys/kernel/random/boot_id")
WAIT_SECONDS = 10  # for processes that hold the lock a moment to look at it


def locks_dir() -> Path:
    """Return the folder of the locks: the shared one, if the workers of other machines have one."""
    return Path(settings.RUNS_DIR or settings.DATA_DIR) / FOLDER


class Holder(Enum):
    """Tell whether a process holds a lock."""

    ALIVE = "alive"
    GONE = "gone"  # the process has ended without releasing the lock
    UNKNOWN = "unknown"  # no process has taken it, or one of another machine has


class TakenError(Exception):
    """Another process holds the lock."""


class WorkLock:
    """A lock with a name, in a file that says who has taken it."""

    def __init__(self, name: str) -> None:
        self.path = locks_dir() / name

    @contextmanager
    def held(self, **details: Any) -> Iterator[None]:
        """Hold the lock during the block. Raises TakenError if another process holds it.

        Where the file system has no locks the block runs without one.
        """
        try:
            file = self.take()
        except TakenError:
            raise
        except OSError:
            yield
            return
        try:
            with suppress(OSError):  # a full disk
                os.write(file, json.dumps({**machine(), **details}).encode())
            yield
        finally:
            self.path.unlink(missing_ok=True)
            os.close(file)

    def take(self) -> int:
        """Lock the file and return its descriptor. Raises TakenError or OSError."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # The process that held it may have removed the file meanwhile.
                if os.path.samestat(os.fstat(file), os.stat(self.path)):
                    os.truncate(file, 0)
                    return file
            except FileNotFoundError:
                pass
            except BlockingIOError:
                if time.monotonic() > deadline:
                    os.close(file)
                    raise TakenError(self.path.name) from None
                time.sleep(0.02)
            except OSError:
                os.close(file)
                raise
            os.close(file)

    def holder(self) -> Holder:
        """Return whether the process that took the lock is alive."""
        try:
            file = os.open(self.path, os.O_RDONLY)
        except OSError:
            return Holder.UNKNOWN
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return Holder.ALIVE
        except OSError:
            return Holder.UNKNOWN
        else:
            return Holder.GONE if is_here(self.details()) else Holder.UNKNOWN
        finally:
            os.close(file)

    def details(self) -> dict[str, Any]:
        """Return what the last holder wrote; nothing if that cannot be read."""
        try:
            found = json.loads(self.path.read_bytes())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def touch(self) -> None:
        """Note that the holder is alive, for machines that cannot see its lock."""
        with suppress(OSError):
            os.utime(self.path)

    def age(self) -> float:
        """Return the seconds since the lock was taken or touched."""
        try:
            return time.time() - self.path.stat().st_mtime
        except OSError:
            return float("inf")


def machine() -> dict[str, str]:
    """Return what identifies this machine: its name, and its present run.

    Containers of one machine have different names and the same run.
    """
    try:
        boot = BOOT.read_text().strip()
    except OSError:
        boot = ""
    return {"host": socket.gethostname(), "boot": boot}


def is_here(details: Mapping[str, Any]) -> bool:
    """Return whether the lock with these details was taken on this machine."""
    return any(value and details.get(name) == value for name, value in machine().items())


def locks(prefix: str) -> list[WorkLock]:
    """Return the locks whose names begin with a prefix."""
    return [WorkLock(path.name) for path in sorted(locks_dir().glob(f"{prefix}*"))]


def worker_lock(worker_id: str) -> WorkLock:
    """Return the lock that a task worker holds for as long as it runs."""
    return WorkLock(f"{WORKER}{worker_id}")


def queues_without_worker() -> list[str]:
    """Return the queues that no living worker takes tasks from."""
    served: set[str] = set()
    for lock in locks(WORKER):
        holder = lock.holder()
        silent = lock.age() > SILENT_SECONDS
        if holder == Holder.ALIVE or (holder == Holder.UNKNOWN and not silent):
            served.update(lock.details().get("queues", ()))
    if "*" in served:
        return []
    return [queue for queue in settings.TASKS["default"]["QUEUES"] if queue not in served]
