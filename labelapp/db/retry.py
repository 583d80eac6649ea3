"""Retry writes while the database is unavailable."""

import time
from collections.abc import Callable
from typing import TypeVar

from django.db import InterfaceError, OperationalError, connection

POLL_SECONDS = 0.5
RETRY_SECONDS = 300

Result = TypeVar("Result")


def with_retries(write: Callable[[], Result], seconds: float = RETRY_SECONDS) -> Result:
    """Call `write`, and again for some seconds while the database is unavailable or busy."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return write()
        except (OperationalError, InterfaceError):
            if time.monotonic() > deadline or connection.in_atomic_block:
                raise
            connection.close()
            time.sleep(POLL_SECONDS)
