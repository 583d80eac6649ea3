"""Transactions that write: one at a time on SQLite, and in the order in which they came."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction

PATIENCE = 30  # seconds, as long as SQLite itself waits for another process
LINE = threading.RLock()


@contextmanager
def writing() -> Iterator[None]:
    """A transaction. On SQLite the threads of this process wait for it in line.

    SQLite has one writer, and who finds it busy looks again after ever longer pauses, while others
    go first: under load some wait ten times as long as most. In line nobody does, and only one
    thread of each process asks SQLite. The line is a courtesy: SQLite's own lock is what holds.
    Who has that already, being in a transaction, does not wait in line for who waits for them.
    """
    begins = connection.vendor == "sqlite" and not connection.in_atomic_block
    in_line = begins and LINE.acquire(timeout=PATIENCE)
    try:
        with transaction.atomic():
            yield
    finally:
        if in_line:
            LINE.release()
