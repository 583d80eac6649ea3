"""Stopping on SIGINT and SIGTERM: within seconds, whatever the main thread is doing.

Python runs a signal's handler between two of its own steps, and one step (the gradient of a large
model, a tokenizer's training) may take minutes. So a thread of its own waits for signals and ends
the process. Nothing is unwound: a run must survive being killed anyway, and what it writes is in
place as a whole or not at all.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from training.errors import StoppedError

SIGNALS = (signal.SIGINT, signal.SIGTERM)

whole = threading.RLock()
"""`with whole:` around what a signal must not cut in two. It waits until the block is done."""

_last_acts: list[Callable[[], object]] = []


@contextmanager
def stoppable(last_word: Callable[[BaseException], int]) -> Iterator[None]:
    """While it is open, SIGINT and SIGTERM end the process. `last_word` gives the exit code."""
    reading, writing = socket.socketpair()
    writing.setblocking(False)
    handlers = {number: signal.signal(number, lambda *_: None) for number in SIGNALS}
    # The interpreter writes a signal's number here at once, also while the main thread is busy.
    wakeup = signal.set_wakeup_fd(writing.fileno(), warn_on_full_buffer=False)
    watcher = threading.Thread(target=_watch, args=(reading, last_word), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(wakeup)
        writing.close()
        watcher.join()
        reading.close()
        for number, handler in handlers.items():
            signal.signal(number, handler)


@contextmanager
def when_stopped(act: Callable[[], object]) -> Iterator[None]:
    """Do this before a signal ends the process inside; it is called from another thread."""
    _last_acts.append(act)
    try:
        yield
    finally:
        _last_acts.remove(act)


def _watch(reading: socket.socket, last_word: Callable[[BaseException], int]) -> None:
    number = 0
    while number not in SIGNALS:  # others that Python handles are written too
        received = reading.recv(1)
        if not received:
            return  # the block is over
        number = received[0]
    error: BaseException = StoppedError(signal.Signals(number).name, 128 + number)
    code = 1
    with whole:
        try:
            for act in _last_acts:
                act()
        except Exception as failure:  # noqa: BLE001 - what went wrong is the last word then
            error = failure
        try:
            code = last_word(error)
        finally:
            os._exit(code)
