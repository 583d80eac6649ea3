"""Let the threads and processes of a server take turns where the database has one writer."""

import fcntl
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import OperationalError, connection, transaction

WAIT_SECONDS = 30  # as long as SQLite waits for another writer
WRITER = threading.Lock()


@contextmanager
def write() -> Iterator[None]:
    """Open a transaction that will write."""
    if connection.vendor != "sqlite":
        with transaction.atomic():
            yield
        return
    with sqlite_turn(), transaction.atomic():
        yield


@contextmanager
def sqlite_turn() -> Iterator[None]:
    """Wait for the other threads and processes that write to SQLite in turn.

    SQLite has a waiting writer look again after ever longer pauses: others overtake it, and nobody
    writes during the pauses. Threads wait for WRITER instead, and one thread of each process for
    the lock of a file, which ends when the file is closed. The file is not the database: closing
    that would release SQLite's own locks.
    """
    if not WRITER.acquire(timeout=WAIT_SECONDS):
        raise OperationalError("database is locked")
    try:
        with open(f"{connection.settings_dict['NAME']}-turn", "ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
    finally:
        WRITER.release()
