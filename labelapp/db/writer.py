"""Let the threads of a process take turns where the database has one writer."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import OperationalError, connection, transaction

WAIT_SECONDS = 30  # as long as SQLite waits for another process
WRITER = threading.Lock()


@contextmanager
def write() -> Iterator[None]:
    """Open a transaction that will write.

    SQLite has whoever waits for the writer look again after ever longer pauses, so that some wait
    for long while others overtake them. The threads of this process wait in line instead.
    """
    if connection.vendor != "sqlite":
        with transaction.atomic():
            yield
        return
    if not WRITER.acquire(timeout=WAIT_SECONDS):
        raise OperationalError("database is locked")
    try:
        with transaction.atomic():
            yield
    finally:
        WRITER.release()
