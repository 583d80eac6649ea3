"""The lock of a run's folder: one process writes there at a time. Standard library only."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import IO

from training.sentences import quoted, sentence


class FolderLock:
    """Hold a lock file, with the number of the process that has taken it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: IO[str] | None = None

    @property
    def is_held(self) -> bool:
        """Return True while this object holds the lock."""
        return self._file is not None

    def take(self) -> None:
        """Lock the file. Raises OSError, also where another process has locked it."""
        file = open(self.path, "a", encoding="utf-8")  # noqa: SIM115 - held to the end
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.close()
            reason = sentence(
                "the file cannot be locked (%(problem)s); use another file system",
                problem=quoted(error.strerror),
            )
            if isinstance(error, BlockingIOError):
                reason = sentence(
                    "another process is at work in this folder; wait for it, or stop it"
                )
            raise OSError(error.errno, reason, str(self.path)) from error
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        self._file = file

    def holder(self) -> int | None:
        """Return the process that holds the lock, or None."""
        try:
            with open(self.path, encoding="utf-8") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError:
                    return int(file.read())
        except (OSError, ValueError):
            return None
        return None

    def release(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file = None
