"""Stop on SIGINT and SIGTERM. Standard library only, to set handlers before slow imports.

Where nothing has to be saved, the handler reports the signal and ends the process without unwinding
it: a run must survive being killed anyway, and every file is written as a whole or not at all.
Inside `saving_first` the handler only sets a flag, which the loop there checks between its steps
and batches. A second signal ends the process at once.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from training.errors import StoppedError

SIGNALS = (signal.SIGINT, signal.SIGTERM)

LastWord = Callable[[BaseException], int]
"""Report why the process ends, and return its exit code."""


@dataclass
class _State:
    """Hold the state of signal handling, once for each process."""

    last_word: LastWord = lambda error: 1
    asked: int = 0
    saves_first: bool = False


_state = _State()


@contextmanager
def stoppable(last_word: LastWord) -> Iterator[None]:
    """End the process on SIGINT and SIGTERM inside this block, after its last message."""
    _state.last_word, _state.asked, _state.saves_first = last_word, 0, False
    handlers = {number: signal.signal(number, _on_signal) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


@contextmanager
def saving_first() -> Iterator[None]:
    """Let a signal only set a flag inside this block, and raise StoppedError at its end."""
    _state.saves_first = True
    try:
        yield
    finally:
        _state.saves_first = False
    check()


def let_end() -> None:
    """Ignore signals from now on: the process ends by itself, for a reason that stands."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def asked() -> int:
    """Return the number of the signal that came inside `saving_first`, or 0."""
    return _state.asked


def check() -> None:
    """Raise StoppedError if a signal has come."""
    if _state.asked:
        raise stopped(_state.asked)


def stopped(number: int) -> StoppedError:
    """Return the error for a process that this signal stops."""
    return StoppedError(signal.Signals(number).name, 128 + number)


def _on_signal(number: int, _: object) -> None:
    for each in SIGNALS:
        signal.signal(each, signal.SIG_DFL)  # the second one
    _state.asked = number
    if _state.saves_first:
        return
    code = 1
    try:
        code = _state.last_word(stopped(number))
    finally:
        os._exit(code)
