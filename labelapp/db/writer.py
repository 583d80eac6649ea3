"""Let the threads and processes of a server take turns where the database has one writer.

SQLite has one write lock. Each wait for it occupies a thread, so a web process bounds how long a
request waits and how many do (`wait_briefly`): the other threads still answer whoever only reads.
"""

import fcntl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from django.db import OperationalError, connection, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

WAIT_SECONDS = 30.0  # as long as SQLite waits for another process; see settings.py
POLL_SECONDS = 0.001  # between looks at the lock of another process
WRITER = threading.Lock()
LOCKED = "database is locked"  # in SQLite's words
READS = ("SELECT", "PRAGMA")


class Places:
    """Count the threads that wait for the write lock, at most `most` at a time."""

    def __init__(self, most: int) -> None:
        self.free = threading.BoundedSemaphore(most)
        self.mine = threading.local()

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Take a place for this thread. Raises OperationalError if all are taken."""
        if getattr(self.mine, "taken", False):
            yield
            return
        if not self.free.acquire(blocking=False):
            raise OperationalError(LOCKED)
        self.mine.taken = True
        try:
            yield
        finally:
            self.mine.taken = False
            self.free.release()


places: Places | None = None  # no limit


def wait_briefly(seconds: float, most: int) -> None:
    """Bound the waits of this process: each lasts `seconds`, and at most `most` threads wait."""
    global WAIT_SECONDS, places
    WAIT_SECONDS, places = seconds, Places(max(1, most))
    for database in connections.settings.values():
        if database["ENGINE"].endswith("sqlite3"):
            database["OPTIONS"]["timeout"] = seconds
    connection_created.connect(count_waits)


def count_waits(connection: BaseDatabaseWrapper, **_: Any) -> None:
    """Have a new connection take a place for every statement that may wait for the write lock."""
    if connection.vendor == "sqlite" and execute_in_place not in connection.execute_wrappers:
        connection.execute_wrappers.append(execute_in_place)


def execute_in_place(
    execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]
) -> Any:
    """Execute a statement, which waits in a place if it may wait."""
    # Inside a transaction the lock is held: it is taken with BEGIN.
    if context["connection"].in_atomic_block or sql.lstrip()[:6].upper() in READS:
        return execute(sql, params, many, context)
    with waiting():
        return execute(sql, params, many, context)


@contextmanager
def waiting() -> Iterator[None]:
    """Take a place, if their number is limited."""
    if places is None:
        yield
    else:
        with places.taken():
            yield


@contextmanager
def write() -> Iterator[None]:
    """Open a transaction that will write.

    SQLite's own wait for the write lock polls with ever longer pauses, during which others overtake
    and nobody writes. Instead, threads wait for WRITER, and one thread of each process waits for a
    lock file. Raises OperationalError after WAIT_SECONDS.
    """
    if connection.vendor != "sqlite":
        with transaction.atomic():
            yield
        return
    with ExitStack() as stack:
        with waiting():
            began = time.monotonic()
            if not WRITER.acquire(timeout=WAIT_SECONDS):
                raise OperationalError(LOCKED)
            stack.callback(WRITER.release)
            stack.enter_context(turn(began + WAIT_SECONDS))
            with within(WAIT_SECONDS - (time.monotonic() - began)):
                stack.enter_context(transaction.atomic())
        yield


@contextmanager
def turn(deadline: float) -> Iterator[None]:
    """Wait for the other processes that write. Raises OperationalError at the deadline.

    The lock ends when its file is closed, also if the process is killed. The file is not the
    database: closing that would release SQLite's own locks.
    """
    with open(f"{connection.settings_dict['NAME']}-turn", "ab") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise OperationalError(LOCKED) from None
                time.sleep(POLL_SECONDS)
        yield


@contextmanager
def without_waiting() -> Iterator[None]:
    """Have SQLite raise OperationalError at once if another process has the write lock."""
    if connection.vendor != "sqlite":
        yield
        return
    with within(0):
        yield


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Have SQLite wait for the lock for the rest of WAIT_SECONDS, after a wait in the queue."""
    if WAIT_SECONDS - seconds < 0.1:
        yield
        return
    with connection.cursor() as cursor:
        (usual,) = cursor.execute("PRAGMA busy_timeout").fetchone()
        cursor.execute(f"PRAGMA busy_timeout = {min(usual, max(0, int(1000 * seconds)))}")
        try:
            yield
        finally:
            cursor.execute(f"PRAGMA busy_timeout = {usual}")
