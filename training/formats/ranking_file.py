"""Read ranking files, in our own JSONL or in other formats, as a stream of checked lines.

Bad lines come with their reason. Every format but the classic table arrives here as objects of
ranking JSONL, and all are checked alike. docs/data-format.md describes the
formats. Standard library only: the web imports this file.
"""

from __future__ import annotations

import gzip
import io
import sys
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

from training.formats.archive_keys import (
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
from training.formats.detect import (
    Beginning,
    Format,
    is_parquet,
    recognise,
)
from training.formats.lines import (
    Found,
    RankingFileError,
    chained,
    json_lines,
    table_rows,
    unreadable,
)
from training.formats.long_table import read_long
from training.formats.oasst import read_trees
from training.formats.parquet import (
    ParquetTable,
    open_table,
    read_table,
)
from training.formats.trl_pairs import read_pairs
from training.rankings import Message

__all__ = [
    "MAX_NAME",
    "BadLine",
    "Format",
    "Line",
    "RankingFile",
    "RankingFileError",
    "open_ranking_file",
]

NO_GROUPS = 'has a ranking that is not groups of tied ids, such as [["a"], ["b", "c"]]'


@dataclass(frozen=True, slots=True)
class FileResponse:
    id: str
    text: str
    source: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """Hold a prompt with its responses and, if it was ranked, its ranking: groups of tied ids.

    A line of an archive also has the `details` of a ranking or the `state` of a prompt.
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


class Tells(Protocol):
    def tell(self) -> int: ...


@dataclass
class RankingFile:
    """Read an open ranking file. `raw` tells how many of its bytes have been read."""

    raw: Tells
    stream: IO[bytes] | ParquetTable
    size: int | None
    format: Format
    delimiter: str = "|"
    rankings: bool = True
    columns: Mapping[str, str] | None = None

    def __iter__(self) -> Iterator[Line | BadLine]:
        try:
            yield from checked(self.found(), self.rankings)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise RankingFileError(f"the gzip file is damaged or cut short: {error}") from error
        except OSError as error:
            raise RankingFileError(f"the file cannot be read: {error}") from error

    def found(self) -> Iterator[Found]:
        """Yield the file's objects of ranking JSONL, numbered and unchecked."""
        if isinstance(self.stream, ParquetTable):
            return read_table(self.stream, self.columns)
        if self.format == "csv":
            return read_csv(self.stream, self.delimiter)
        if self.format == "long":
            return read_long(self.stream, self.delimiter, self.columns)
        lines = json_lines(self.stream)
        if self.format == "trl":
            return read_pairs(lines)
        return read_trees(lines) if self.format == "oasst" else lines


@contextmanager
def open_ranking_file(
    path: str,
    *,
    format: Format | None = None,  # noqa: A002 - the option's name
    delimiter: str | None = None,
    rankings: bool = True,
    columns: Mapping[str, str] | None = None,
    at_most: int | None = None,
) -> Iterator[RankingFile]:
    """Open a ranking file, gzip or not, `-` for standard input.

    The format and a table's delimiter are told by how the file begins where they are not given.
    `columns` says of a table in long form which column is which field; see
    training/formats/long_table.py.
    Without `rankings` those of the file are not looked at, good or bad: a line that has one gets
    the ranking [].
    With `at_most`, no more bytes than that are read of its text: for who wants its first lines.
    Raises RankingFileError where the file is not there or cannot be read.
    """
    with ExitStack() as stack:
        raw, size = opened(stack, path)
        if is_parquet(raw.peek(4)):
            if format not in (None, "parquet"):
                raise RankingFileError(f"{path} is a Parquet file: leave out --format {format}")
            table = stack.enter_context(open_table(path))
            yield RankingFile(table, table, size, "parquet", rankings=rankings, columns=columns)
            return
        stream, begins = beginning(raw, path, format, delimiter, columns is not None, at_most)
        if columns is not None and begins.format != "long":
            raise RankingFileError(f"columns are for tables in long form; {path} is not one")
        yield RankingFile(
            raw=raw,
            stream=stream,
            size=size,
            format=begins.format,
            delimiter=begins.delimiter,
            rankings=rankings,
            columns=columns,
        )


def look_into(path: str, *, delimiter: str | None = None) -> Beginning:
    """Return a file's format and a table's delimiter and columns, detected by its beginning.

    Raises RankingFileError where the file is not there or cannot be read.
    """
    with ExitStack() as stack:
        raw, _ = opened(stack, path)
        if is_parquet(raw.peek(4)):
            table = stack.enter_context(open_table(path))
            return Beginning("parquet", columns=table.columns)
        return beginning(raw, path, None, delimiter)[1]


def opened(stack: ExitStack, path: str) -> tuple[io.BufferedReader, int | None]:
    """Open the file, and return it with its size in bytes; None for a pipe."""
    if path == "-":
        stdin: Any = sys.stdin.buffer
        return stdin if isinstance(stdin, io.BufferedReader) else io.BufferedReader(stdin), None
    try:
        raw = stack.enter_context(open(path, "rb"))  # noqa: SIM115 - the stack closes it
        return raw, Path(path).stat().st_size if raw.seekable() else None  # a pipe has none
    except OSError as error:
        raise RankingFileError(f"{path} cannot be opened: {error.strerror}") from error


def beginning(
    raw: io.BufferedReader,
    path: str,
    format: Format | None,  # noqa: A002 - the option's name
    delimiter: str | None,
    named: bool = False,
    at_most: int | None = None,
) -> tuple[IO[bytes], Beginning]:
    """Return the text of the file from its first line on, and its detected format."""
    zipped = raw.peek(2)[:2] == b"\x1f\x8b"
    stream: IO[bytes] = gzip.GzipFile(fileobj=raw) if zipped else raw  # type: ignore[assignment]
    try:
        head, begins = recognise(stream, path, format, delimiter, named)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise RankingFileError(f"the gzip file is damaged or cut short: {error}") from error
    except OSError as error:
        raise RankingFileError(f"the file cannot be read: {error}") from error
    return chained(head, stream, at_most), begins


def checked(found: Iterable[Found], rankings: bool) -> Iterator[Line | BadLine]:
    """Yield the objects of a file as checked lines, or as a BadLine that says what is wrong."""
    for number, data in found:
        if isinstance(data, ValueError):
            yield BadLine(number, str(data))
            continue
        try:
            yield check(number, data, rankings)
        except ValueError as error:
            yield BadLine(number, str(error))


def check(number: int, data: Any, rankings: bool) -> Line:
    """Return an object of ranking JSONL as a Line. Raises ValueError with the reason."""
    if not isinstance(data, dict):
        raise ValueError("is not a JSON object with prompt and responses")
    responses = [] if is_unfilled(data) else check_responses(data.get("responses"))
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


def is_unfilled(data: dict[str, Any]) -> bool:
    """Return True if the line's prompt has no responses yet, and so waits for nobody."""
    return data.get("responses") == [] and data.get("wanted") == 0 and data.get("ranking") is None


def check_prompt(prompt: Any) -> list[Message]:
    """Return a prompt, given as text or chat messages, as messages."""
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
    """Return the ranking's groups of tied ids.

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


def read_csv(stream: IO[bytes], delimiter: str) -> Iterator[Found]:
    """Yield the rows of a table with the prompt first, and then the responses, best first.

    The classic tutorial's file has three responses; any number from 2 to 9 is read. A row's number
    is that of the file's line on which it ends.
    """
    width = 0
    for _, number, row in table_rows(stream, delimiter):
        if isinstance(row, ValueError):
            yield number, row
        elif width:
            yield number, best_first(row, width)
        else:
            width = len(row)
            if width <= MIN_RANKED:
                raise RankingFileError(
                    f"the header has {width} columns at the separator {delimiter!r}; expected a "
                    "prompt and at least two responses. Give the separator with --delimiter."
                )


def best_first(row: list[str], width: int) -> Any:
    """Return a row of the classic table as an object of ranking JSONL, or what is wrong with it."""
    if len(row) != width:
        return ValueError(f"has {len(row)} columns where the header has {width}")
    if unreadable(row):
        return ValueError("is not UTF-8")
    prompt, *texts = row
    ids = [f"column {i}" for i in range(2, width + 1)]
    responses = [{"id": id_, "text": text} for id_, text in zip(ids, texts, strict=True)]
    return {"prompt": prompt, "responses": responses, "ranking": [[id_] for id_ in ids]}
