"""Ranking files: our own JSONL, and the three-column CSV of the classic tutorial.

Reading gives a stream of lines, good ones and bad ones with their reason. docs/data-format.md
describes the formats. Standard library only: the web imports this file.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import sys
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

from training.pairs import Message
from training.rankingline import (
    MAX_ID,
    MAX_NAME,
    MAX_RANKED,
    MIN_RANKED,
    PromptState,
    RankingDetails,
    check_details,
    check_state,
    id_text,
    optional_name,
    storable,
)

MAX_LINE_BYTES = 16 * 2**20  # longer lines are not rankings; the bound keeps memory bounded
NO_GROUPS = 'has a ranking that is not groups of tied ids, such as [["a"], ["b", "c"]]'

Format = Literal["jsonl", "csv"]


@dataclass(frozen=True, slots=True)
class FileResponse:
    id: str
    text: str
    source: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One prompt with its responses and, if it was ranked, its ranking: groups of tied ids.

    An archive of ours says more: of a ranking its `details`, of a prompt its `state`.
    """

    number: int
    messages: list[Message]
    responses: list[FileResponse]
    ranking: list[list[str]] | None = None
    labeller: str | None = None
    external_id: str | None = None
    details: RankingDetails | None = None
    state: PromptState | None = None


@dataclass(frozen=True, slots=True)
class BadLine:
    number: int
    reason: str

    def __str__(self) -> str:
        return f"line {self.number}: {self.reason}"


class RankingFileError(Exception):
    """The file as a whole cannot be read; the message says why."""


@dataclass
class RankingFile:
    """An open ranking file. `raw` tells how many bytes of the file have been read."""

    raw: IO[bytes]
    stream: IO[bytes]
    size: int | None
    format: Format
    delimiter: str = "|"
    rankings: bool = True

    def __iter__(self) -> Iterator[Line | BadLine]:
        try:
            if self.format == "csv":
                yield from read_csv(self.stream, self.delimiter, self.rankings)
            else:
                yield from read_jsonl(self.stream, self.rankings)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise RankingFileError(f"the gzip file is damaged or cut short: {error}") from error
        except OSError as error:
            raise RankingFileError(f"the file cannot be read: {error}") from error


@contextmanager
def open_ranking_file(
    path: str,
    *,
    format: Format | None = None,  # noqa: A002 - the option's name
    delimiter: str = "|",
    rankings: bool = True,
) -> Iterator[RankingFile]:
    """Open a ranking file, gzip or not, `-` for standard input.

    The format is told by the name (.csv, .csv.gz) where it is not given. Without `rankings` those
    of the file are not looked at, good or bad: a line that has one gets the ranking [].
    Raises RankingFileError where the file is not there or cannot be read.
    """
    with ExitStack() as stack:
        size = None
        if path == "-":
            raw: IO[bytes] = sys.stdin.buffer
        else:
            try:
                raw = stack.enter_context(Path(path).open("rb"))
                size = Path(path).stat().st_size if raw.seekable() else None  # a pipe has none
            except OSError as error:
                raise RankingFileError(f"{path} cannot be opened: {error.strerror}") from error
        buffered = raw if isinstance(raw, io.BufferedReader) else io.BufferedReader(raw)  # type: ignore[type-var]
        zipped = buffered.peek(2)[:2] == b"\x1f\x8b"
        stream: IO[bytes] = gzip.GzipFile(fileobj=buffered) if zipped else buffered  # type: ignore[assignment]
        names = [suffix.lower() for suffix in Path(path).suffixes[-2:]]
        yield RankingFile(
            raw=buffered,
            stream=stream,
            size=size,
            format=format or ("csv" if ".csv" in names else "jsonl"),
            delimiter=delimiter,
            rankings=rankings,
        )


def read_jsonl(stream: IO[bytes], rankings: bool = True) -> Iterator[Line | BadLine]:
    """The lines of a ranking JSONL file. Blank lines are passed over."""
    number = 0
    while raw := stream.readline(MAX_LINE_BYTES + 1):
        number += 1
        if len(raw) > MAX_LINE_BYTES:
            while raw and not raw.endswith(b"\n"):
                raw = stream.readline(MAX_LINE_BYTES)
            yield BadLine(number, f"is longer than {MAX_LINE_BYTES // 2**20} MiB")
        elif raw.strip():
            yield parse_line(number, raw, rankings)


def parse_line(number: int, raw: bytes, rankings: bool = True) -> Line | BadLine:
    """One line of ranking JSONL; a BadLine that says what is wrong with it."""
    try:
        text = raw.decode("utf-8-sig" if number == 1 else "utf-8")
        return check(number, json.loads(text), rankings)
    except UnicodeDecodeError as error:
        return BadLine(number, f"is not UTF-8 (byte {error.start + 1} of the line)")
    except json.JSONDecodeError as error:
        return BadLine(number, f"is not JSON: {error.msg} at column {error.colno}")
    except RecursionError:
        return BadLine(number, "is not a ranking: it is nested too deeply")
    except ValueError as error:
        return BadLine(number, str(error))


def check(number: int, data: Any, rankings: bool) -> Line:
    """The line's JSON as a Line. Raises ValueError with the reason where it is not one."""
    if not isinstance(data, dict):
        raise ValueError("is not a JSON object with prompt and responses")
    responses = check_responses(data.get("responses"))
    ids = [response.id for response in responses]
    ranking = data.get("ranking")
    details = state = None
    if ranking is not None:
        ranking = check_ranking(ranking, ids) if rankings else []
        details = check_details(data, ids) if rankings else None
    elif rankings:
        state = check_state(data, ids)
    return Line(
        number=number,
        messages=check_prompt(data.get("prompt")),
        responses=responses,
        ranking=ranking,
        labeller=optional_name(data.get("labeller"), "labeller", MAX_NAME),
        external_id=optional_name(id_text(data.get("id")), "id", MAX_ID),
        details=details,
        state=state,
    )


def check_prompt(prompt: Any) -> list[Message]:
    """A prompt, text or chat messages, as messages."""
    if isinstance(prompt, str):
        prompt = [{"role": "user", "content": prompt}]
    if not isinstance(prompt, list) or not prompt:
        raise ValueError("has no prompt: a text, or a list of messages with role and content")
    messages: list[Message] = []
    for message in prompt:
        if not isinstance(message, dict):
            raise ValueError("has a prompt message that is not an object with role and content")
        role, content = message.get("role"), message.get("content")
        if not isinstance(role, str) or not role or not isinstance(content, str):
            raise ValueError("has a prompt message without role and content")
        messages.append(
            {"role": storable(role, "a role"), "content": storable(content, "the prompt")}
        )
    if not messages[-1]["content"].strip():
        raise ValueError("has an empty prompt")
    return messages


def check_responses(responses: Any) -> list[FileResponse]:
    if not isinstance(responses, list) or not responses:
        raise ValueError("has no responses: a list of objects with id and text")
    checked = [check_response(i, response) for i, response in enumerate(responses)]
    by_text: dict[str, str] = {}
    ids: set[str] = set()
    for response in checked:
        if response.id in ids:
            raise ValueError(f"has two responses with the id {response.id!r}")
        if response.text in by_text:
            first = by_text[response.text]
            raise ValueError(f"has a duplicate: {first!r} and {response.id!r} are the same text")
        ids.add(response.id)
        by_text[response.text] = response.id
    return checked


def check_response(index: int, response: Any) -> FileResponse:
    if not isinstance(response, dict):
        raise ValueError(
            f"has a response that is not an object with id and text: number {index + 1}"
        )
    id_ = id_text(response.get("id", str(index)))
    if not isinstance(id_, str):
        raise ValueError(f"has a response whose id is not a text: number {index + 1}")
    if len(id_) > MAX_ID:
        raise ValueError(f"has a response whose id is longer than {MAX_ID} characters")
    text = response.get("text")
    if not isinstance(text, str) or not text.strip():
        raise ValueError(f"has an empty response: {id_!r}")
    return FileResponse(
        storable(id_, "a response id"),
        storable(text, f"response {id_!r}"),
        optional_name(response.get("source"), "source", MAX_ID) or "",
    )


def check_ranking(ranking: Any, ids: list[str]) -> list[list[str]]:
    """The ranking's groups of tied ids.

    Raises ValueError unless it names every response once.
    """
    if not isinstance(ranking, list) or not all(isinstance(g, list) and g for g in ranking):
        raise ValueError(NO_GROUPS)
    groups = [[id_text(id_) for id_ in group] for group in ranking]
    if not all(isinstance(id_, str) for group in groups for id_ in group):
        raise ValueError(NO_GROUPS)
    named = [id_ for group in groups for id_ in group]
    if strangers := [id_ for id_ in named if id_ not in ids]:
        raise ValueError(f"has a rank for {strangers[0]!r}, which is not among its responses")
    if missing := [id_ for id_ in ids if id_ not in named]:
        raise ValueError(f"has no rank for the response {missing[0]!r}")
    if len(named) > len(ids):
        twice = next(id_ for id_ in named if named.count(id_) > 1)
        raise ValueError(f"ranks the response {twice!r} twice")
    if not MIN_RANKED <= len(ids) <= MAX_RANKED:
        raise ValueError(f"ranks {len(ids)} responses; a ranking has {MIN_RANKED} to {MAX_RANKED}")
    return groups


def bounded(lines: IO[str]) -> Iterator[str]:
    """The lines of a text. Raises RankingFileError for one that is too long to be one."""
    number = 0
    while line := lines.readline(MAX_LINE_BYTES):
        number += 1
        if len(line) == MAX_LINE_BYTES:
            raise RankingFileError(f"line {number} is longer than {MAX_LINE_BYTES // 2**20} MiB")
        yield line


def read_csv(stream: IO[bytes], delimiter: str, rankings: bool = True) -> Iterator[Line | BadLine]:
    """The rows of a table whose first column is the prompt, and the others responses, best first.

    The classic tutorial's file has three responses; any number from 2 to 9 is read. A row's number
    is that of the file's line on which it ends.
    """
    csv.field_size_limit(MAX_LINE_BYTES)
    # Bytes that are not UTF-8 become lone surrogates here, which the check of the row refuses.
    lines = io.TextIOWrapper(stream, "utf-8-sig", errors="surrogateescape", newline="")
    # strict: a quotation mark in the wrong place is reported, not quietly dropped.
    rows = csv.reader(bounded(lines), delimiter=delimiter, strict=True)
    width = 0
    while True:
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            yield BadLine(rows.line_num, f"is not CSV: {error}")
            continue
        if not width:
            width = len(row)
            if width <= MIN_RANKED:
                raise RankingFileError(
                    f"the header has {width} columns at the separator {delimiter!r}; expected a "
                    "prompt and at least two responses. Give the separator with --delimiter."
                )
        elif row:
            yield check_row(rows.line_num, row, width, rankings)


def check_row(number: int, row: list[str], width: int, rankings: bool) -> Line | BadLine:
    if len(row) != width:
        return BadLine(number, f"has {len(row)} columns where the header has {width}")
    if any("\udc80" <= character <= "\udcff" for cell in row for character in cell):
        return BadLine(number, "is not UTF-8")
    prompt, *texts = row
    ids = [f"column {i}" for i in range(2, width + 1)]
    responses = [{"id": id_, "text": text} for id_, text in zip(ids, texts, strict=True)]
    data = {"prompt": prompt, "responses": responses, "ranking": [[id_] for id_ in ids]}
    try:
        return check(number, data, rankings)
    except ValueError as error:
        return BadLine(number, str(error))
