"""Read files of prompts that still lack responses. Standard library only.

They are JSONL with the keys of ranking JSONL, tables with a column for the prompt, or texts with
one prompt on each line. docs/sampling.md describes them.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

from training.formats.detect import is_parquet
from training.formats.lines import (
    Found,
    RankingFileError,
    json_lines,
    table_rows,
    unreadable,
)
from training.formats.long_table import guess_columns, messages
from training.formats.ranking_file import (
    MAX_ID,
    BadLine,
    Line,
    beginning,
    check_prompt,
    check_responses,
    id_text,
    opened,
    optional_name,
)

NO_HEADER: tuple[int, int, Any] = (0, 0, None)


def read_prompts(path: str) -> Iterator[Line | BadLine]:
    """Yield the prompts of a file, gzip or not; `-` is standard input. Some have responses.

    Raises RankingFileError where the file is not there, cannot be read, or has no prompts.
    """
    with ExitStack() as stack:
        raw, _ = opened(stack, path)
        if is_parquet(raw.peek(4)):
            raise RankingFileError(f"{path} is Parquet: give JSONL, CSV or text")
        stream, begins = beginning(raw, path, None, None)
        if begins.format in ("trl", "oasst"):
            raise RankingFileError(f"{path} holds rankings: import them with import_rankings")
        if begins.format in ("csv", "long"):
            found = table_prompts(stream, begins.delimiter)
        else:
            is_text = ".txt" in Path(path.lower()).suffixes[-2:]
            found = text_prompts(stream) if is_text else json_lines(stream)
        try:
            yield from map(checked, found)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise RankingFileError(f"the gzip file is damaged or cut short: {error}") from error
        except OSError as error:
            raise RankingFileError(f"the file cannot be read: {error}") from error


def checked(found: Found) -> Line | BadLine:
    number, data = found
    try:
        if isinstance(data, ValueError):
            raise data
        if not isinstance(data, dict):
            raise ValueError("is not a JSON object with a prompt")
        return Line(
            number=number,
            messages=check_prompt(data.get("prompt")),
            responses=check_responses(data["responses"]) if data.get("responses") else [],
            external_id=optional_name(id_text(data.get("id")), "id", MAX_ID),
        )
    except ValueError as error:
        return BadLine(number, str(error))


def text_prompts(stream: IO[bytes]) -> Iterator[Found]:
    for number, line in enumerate(stream, start=1):
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8").strip()
        except UnicodeDecodeError:
            yield number, ValueError("is not UTF-8")
            continue
        if text:
            yield number, {"prompt": text}


def table_prompts(stream: IO[bytes], delimiter: str) -> Iterator[Found]:
    """Yield the prompts of a table, found by the name of their column."""
    rows = table_rows(stream, delimiter)
    _, _, header = next(rows, NO_HEADER)
    columns = guess_columns(header) if isinstance(header, list) else {}
    places = {name: header.index(column) for name, column in columns.items()}
    if not places.keys() & {"prompt", "conversation"}:
        raise RankingFileError("has no column that is known as the prompt: call one `prompt`")
    return (
        (number, row if isinstance(row, ValueError) else cells(row, len(header), places))
        for number, _, row in rows
    )


def cells(row: list[str], width: int, places: dict[str, int]) -> Any:
    if len(row) != width:
        return ValueError(f"has {len(row)} columns where the header has {width}")
    if unreadable(row):
        return ValueError("is not UTF-8")
    said = {name: row[place] for name, place in places.items()}
    try:
        conversation = messages(said.get("conversation"))
    except ValueError as error:
        return error
    return {"prompt": conversation or said.get("prompt"), "id": said.get("prompt_id")}
