"""Retry writes while the database is away."""

import time
from collections.abc import Callable
from typing import TypeVar

from django.db import InterfaceError, OperationalError, connection

POLL_SECONDS = 0.5


PATIENCE_SECONDS = 300  # with a database that is away


Result = TypeVar("Result")


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
