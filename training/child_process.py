"""Child processes that end with their parent, also if the parent is killed.

A parent starts a child with the environment of `for_child`, and the child calls `end_with_parent`
when it begins. Standard library only: the web imports this file.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Mapping, Sequence

PARENT = "PODIUM_PARENT"  # environment variable: the process with which a child ends
POLL_SECONDS = 0.2


def for_child(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of a child that ends with this process."""
    given = os.environ if environment is None else environment
    return {**given, PARENT: str(os.getpid())}


def end_with_parent(*pauses: float) -> None:
    """End this process when the parent that PARENT names has ended; without PARENT, do nothing.

    The process gets SIGTERM, again after each of the `pauses` but the last, and then SIGKILL.
    """
    # The kernel's own signal (PR_SET_PDEATHSIG) comes when the thread ends that started the child,
    # and only once; a task worker needs two. A pipe would be held open by whoever else inherits it.
    parent = os.environ.pop(PARENT, "")
    if parent.isdecimal():
        watch = threading.Thread(target=_watch, args=(int(parent), pauses or (10.0,)), daemon=True)
        watch.start()


def _watch(parent: int, pauses: Sequence[float]) -> None:
    while os.getppid() == parent:
        time.sleep(POLL_SECONDS)
    for pause in pauses:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(pause)
    os.kill(os.getpid(), signal.SIGKILL)
