"""Read text as numbered lines of JSON, items of JSON, or rows of a table.

A line that cannot be read comes as a ValueError with its reason, so that a reader can name it and
go on.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Sequence
from typing import IO, Any

from training.sentences import quoted, sentence

MAX_LINE_BYTES = 16 * 2**20  # longer lines are not rankings; the bound keeps memory bounded
LONGEST = f"{MAX_LINE_BYTES // 2**20} MiB"

BEFORE = re.compile(r"[ \t\r\n]*\[?[ \t\r\n]*")  # the first item of an array
BETWEEN = re.compile(r"[ \t\r\n,]*")

Found = tuple[int, Any]  # a line's number, and what stands there or a ValueError


class RankingFileError(Exception):
    """Raised where a file as a whole cannot be read or written.

    `problem` says why; the message goes on with `how` a command's options can help, if they can.
    """

    def __init__(self, problem: str, how: str = "") -> None:
        super().__init__(f"{problem}{how}" if how else problem)
        self.problem = problem


PREDICATE = re.compile(r"(is|has|holds|names?|cannot|unpacks)\b")


def problem_of(file: str, problem: str) -> str:
    """Return the message of a RankingFileError as a sentence that names the file."""
    return f"{file}{'' if PREDICATE.match(problem) else ':'} {problem}"


class MissingColumnError(RankingFileError):
    """Raised where a file lacks a column that was named."""


class UnknownColumnsError(RankingFileError):
    """Raised for a table whose `columns` are not recognised."""

    def __init__(self, problem: str, how: str, columns: Sequence[str]) -> None:
        super().__init__(problem, how)
        self.columns = columns


class AmbiguousError(RankingFileError):
    """Raised where a file can be read in two ways; `how` says which option decides.

    `values` are the verdicts whose meaning is asked for, among `sides`; empty where a ranking may
    be read as ranks or as an order.
    """

    def __init__(
        self, question: str, how: str, values: Sequence[str] = (), sides: Sequence[str] = ()
    ) -> None:
        super().__init__(question, f". {how}")
        self.values = values
        self.sides = sides


def json_lines(stream: IO[bytes]) -> Iterator[Found]:
    """Yield the lines of a JSONL file but the blank ones."""
    number = 0
    while raw := stream.readline(MAX_LINE_BYTES + 1):
        number += 1
        if len(raw) > MAX_LINE_BYTES:
            while raw and not raw.endswith(b"\n"):
                raw = stream.readline(MAX_LINE_BYTES)
            yield number, ValueError(sentence("is longer than %(longest)s", longest=LONGEST))
        elif raw.strip():
            yield number, json_value(raw)


def json_value(raw: bytes) -> Any:
    """Return the value of a line, or a ValueError where it is not JSON."""
    try:
        return json.loads(raw.decode("utf-8-sig"))  # files put together have marks in the middle
    except UnicodeDecodeError as error:
        return ValueError(
            sentence("is not UTF-8 (byte %(byte)s of the line)", byte=str(error.start + 1))
        )
    except json.JSONDecodeError as error:
        return ValueError(
            sentence(
                "is not JSON: %(problem)s at column %(column)s",
                problem=quoted(error.msg),
                column=str(error.colno),
            )
        )
    except RecursionError:
        return ValueError(sentence("is not a ranking: it is nested too deeply"))
    except ValueError as error:
        return error


def text_lines(stream: IO[bytes]) -> Iterator[Found]:
    """Yield the lines of a text but the blank ones, each as an object with a prompt."""
    number = 0
    while raw := stream.readline(MAX_LINE_BYTES + 1):
        number += 1
        if len(raw) > MAX_LINE_BYTES:
            raise RankingFileError(
                sentence(
                    "line %(line)s is longer than %(longest)s", line=str(number), longest=LONGEST
                )
            )
        try:
            text = raw.decode("utf-8-sig").strip()
        except UnicodeDecodeError:
            yield number, ValueError(sentence("is not UTF-8"))
            continue
        if text:
            yield number, {"prompt": text}


def json_items(stream: IO[bytes]) -> Iterator[Found]:
    """Yield the items of a JSON array, or one JSON value after another, numbered from 1.

    Raises RankingFileError where the text is not JSON: nothing after that place can be read.
    """
    lines = io.TextIOWrapper(stream, "utf-8-sig", errors="surrogateescape")
    decoder = json.JSONDecoder()
    text, start, number, ended = "", 0, 0, False
    while True:
        start = (BETWEEN if number else BEFORE).match(text, start).end()  # type: ignore[union-attr]
        try:
            value, end = decoder.raw_decode(text, start)
            complete = end < len(text) or ended  # 12 may be the beginning of 123
        except RecursionError:
            raise RankingFileError(
                sentence("has an item nested too deeply, number %(item)s", item=str(number + 1))
            ) from None
        except ValueError as error:  # no JSON, or a number of thousands of digits
            problem, complete = quoted(str(error).partition(":")[0]), False
        if complete:
            number, start = number + 1, end
            yield number, value
        elif ended:
            if text[start:].strip(" \t\r\n]"):
                raise RankingFileError(
                    sentence(
                        "is not JSON at item %(item)s: %(problem)s",
                        item=str(number + 1),
                        problem=problem,
                    )
                )
            return
        elif len(text) - start > MAX_LINE_BYTES:
            raise RankingFileError(
                sentence(
                    "is not JSON, or longer than %(longest)s, at item %(item)s",
                    longest=LONGEST,
                    item=str(number + 1),
                )
            )
        else:
            more = lines.read(max(2**16, len(text) - start))  # twice as much each time
            ended = not more
            text, start = text[start:] + more, 0


def table_rows(stream: IO[bytes], delimiter: str) -> Iterator[tuple[int, int, Any]]:
    """Yield the rows of a table: the lines on which each begins and ends, and its cells.

    The first row is the header. A row that cannot be read comes as a ValueError.
    """
    csv.field_size_limit(MAX_LINE_BYTES)
    # Bytes that are not UTF-8 become lone surrogates here, which no response may hold.
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
            row = ValueError(sentence("is not CSV: %(problem)s", problem=quoted(error)))
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
            place = {"line": str(self.number), "longest": LONGEST}
            raise RankingFileError(
                sentence("line %(line)s is longer than %(longest)s", **place)
                if self.row == len(line)
                else sentence(
                    "the row that ends on line %(line)s is longer than %(longest)s", **place
                )
            )
        return line
