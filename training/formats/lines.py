"""Read files as numbered lines of JSON or rows of a table. Standard library only.

A line that cannot be read comes as a ValueError with its reason, so that a reader can name it and
go on.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from typing import IO, Any

MAX_LINE_BYTES = 16 * 2**20  # longer lines are not rankings; the bound keeps memory bounded
LONGEST = f"{MAX_LINE_BYTES // 2**20} MiB"

Found = tuple[int, Any]  # a line's number, and what stands there or a ValueError


class RankingFileError(Exception):
    """Raised where a file as a whole cannot be read or written; the message says why."""


class Chained(io.RawIOBase):
    """Read again the beginning of a stream, and then its rest: a pipe cannot be rewound.

    With `at_most`, reading on after so many bytes raises RankingFileError.
    """

    def __init__(self, head: bytes, rest: IO[bytes], at_most: int | None) -> None:
        self.head = memoryview(head)
        self.rest = rest
        self.left = at_most

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        given: bytes | memoryview
        if self.left is not None and self.left <= 0:
            raise RankingFileError("its first lines are too long to be shown")
        if self.head:
            given, self.head = self.head[: len(buffer)], self.head[len(buffer) :]
        else:
            given = self.rest.read1(len(buffer))  # type: ignore[attr-defined]
        buffer[: len(given)] = given
        if self.left is not None:
            self.left -= len(given)
        return len(given)


def chained(head: bytes, rest: IO[bytes], at_most: int | None = None) -> IO[bytes]:
    return io.BufferedReader(Chained(head, rest, at_most), 2**17)


def json_lines(stream: IO[bytes]) -> Iterator[Found]:
    """Yield the lines of a JSONL file but the blank ones."""
    number = 0
    while raw := stream.readline(MAX_LINE_BYTES + 1):
        number += 1
        if len(raw) > MAX_LINE_BYTES:
            while raw and not raw.endswith(b"\n"):
                raw = stream.readline(MAX_LINE_BYTES)
            yield number, ValueError(f"is longer than {LONGEST}")
        elif raw.strip():
            yield number, json_value(number, raw)


def json_value(number: int, raw: bytes) -> Any:
    """Return the value of a line, or a ValueError where it is not JSON."""
    try:
        return json.loads(raw.decode("utf-8-sig" if number == 1 else "utf-8"))
    except UnicodeDecodeError as error:
        return ValueError(f"is not UTF-8 (byte {error.start + 1} of the line)")
    except json.JSONDecodeError as error:
        return ValueError(f"is not JSON: {error.msg} at column {error.colno}")
    except RecursionError:
        return ValueError("is not a ranking: it is nested too deeply")
    except ValueError as error:
        return error


def table_rows(stream: IO[bytes], delimiter: str) -> Iterator[tuple[int, int, Any]]:
    """Yield the rows of a table: the lines on which each begins and ends, and its cells.

    The first row is the header. A row that cannot be read comes as a ValueError.
    """
    csv.field_size_limit(MAX_LINE_BYTES)
    # Bytes that are not UTF-8 become lone surrogates here, which `unreadable` finds.
    lines = io.TextIOWrapper(stream, "utf-8-sig", errors="surrogateescape", newline="")
    # strict: a quotation mark in the wrong place is reported, not quietly dropped.
    text = Bounded(lines)
    rows = csv.reader(text, delimiter=delimiter, strict=True)
    while True:
        first = rows.line_num + 1
        try:
            row: Any = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            row = ValueError(f"is not CSV: {error}")
        text.row = 0
        if row != []:
            yield first, rows.line_num, row


class Bounded:
    """Yield the lines of a table. Raises RankingFileError for a row that is too long."""

    def __init__(self, lines: IO[str]) -> None:
        self.lines = lines
        self.number = 0
        self.row = 0  # characters since the last row ended

    def __iter__(self) -> Bounded:
        return self

    def __next__(self) -> str:
        line = self.lines.readline(MAX_LINE_BYTES)
        if not line:
            raise StopIteration
        self.number += 1
        self.row += len(line)
        if self.row >= MAX_LINE_BYTES:
            what = "line" if self.row == len(line) else "the row that ends on line"
            raise RankingFileError(f"{what} {self.number} is longer than {LONGEST}")
        return line


def unreadable(cells: Iterable[str]) -> bool:
    """Return True if a row of a table was not UTF-8."""
    return any("\udc80" <= character <= "\udcff" for cell in cells for character in cell)
