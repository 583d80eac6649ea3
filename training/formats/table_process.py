"""Write rows as lines of JSON from a separate process: the code that its programs share.

Such a program says what a file has, waits for a line on standard input, and writes the rows.
Standard library only.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any, NoReturn

from training.formats.lines import LONGEST, MAX_LINE_BYTES
from training.sentences import sentence

TOO_LONG = sentence("is longer than %(longest)s", longest=LONGEST)


def begin(**said: Any) -> None:
    """Write what a file holds, and wait until its rows are asked for."""
    write_line(said)
    sys.stdout.flush()
    if not sys.stdin.buffer.readline():
        sys.exit()  # they wanted to know the columns


def write_line(value: Any) -> None:
    line = json.dumps(value, default=as_json)
    sys.stdout.write((line if len(line) <= MAX_LINE_BYTES else json.dumps(TOO_LONG)) + "\n")


def as_json(value: Any) -> str:
    """Return a value that JSON has no form for as text."""
    if isinstance(value, datetime):
        utc = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
        return utc.isoformat(timespec="microseconds").replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    return value.decode(errors="surrogateescape") if isinstance(value, bytes) else str(value)


def run(program: Callable[[], object]) -> None:
    """Run a program, and end with one line on standard error if it fails."""
    try:
        program()
    except Exception as error:  # noqa: BLE001 - whatever a damaged or hostile file does to its reader
        fail(error)


def fail(error: Exception) -> NoReturn:
    """End with the reason. Nothing more is written to standard output."""
    # What Python would flush at its end would fail again.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if isinstance(error, MemoryError):
        sys.exit(sentence("it needs more memory than it is given: save it as CSV"))
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    sys.exit(" ".join(said.split()) or type(error).__name__)
