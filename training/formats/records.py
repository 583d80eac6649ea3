"""Open the records of a file: objects of JSON, or the rows of a table by column.

Standard library only.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain
from typing import IO, Any

from training.formats.lines import (
    Found,
    RankingFileError,
    json_items,
    json_lines,
    json_value,
    table_rows,
    text_lines,
)
from training.formats.opening import OpenFile, Tells
from training.formats.read_options import ReadOptions
from training.formats.reading import Reading
from training.formats.record import Record
from training.formats.shapes import shape_of
from training.formats.tables import open_table
from training.sentences import plural_sentence, sentence

JSON_NAMES = (".jsonl", ".ndjson", ".json")
TABLE_NAMES = (".csv", ".tsv", ".tab")
TABLE_FORMATS = ("csv", "long", "sides")
CONTAINERS = {  # by delimiter, the likeliest first
    "|": sentence("a table with bars between its columns"),
    "\t": sentence("a table with tabs between its columns"),
    ";": sentence("a table with semicolons between its columns"),
    ",": sentence("a table with commas between its columns"),
}
SEPARATOR_LINE = re.compile(r"sep=(.)\r?\n")
MOST_COLUMNS = 1000


@dataclass
class Records:
    """Hold the records of a file, and the columns and the delimiter of a table."""

    raw: Tells
    records: Iterator[Found]
    header: list[str] | None = None
    delimiter: str = ""


def records_of(stack: ExitStack, file: OpenFile, path: str, options: ReadOptions) -> Records:
    """Return the records of an open file: of JSON in lines or at once, or the rows of a table."""
    if file.stream is None:
        table = stack.enter_context(open_table(path, file.table, header=options.header))
        file.reading.container = table.container
        for column in table.left_out:
            file.reading.unread[sentence("%(column)s (bytes or vectors)", column=column)] += (
                table.rows or 1
            )
        return Records(table, iter(table), table.columns)
    if options.format == "parquet":
        raise RankingFileError(sentence("is not a Parquet file"))
    head = file.stream.peek(2**16)  # type: ignore[attr-defined]
    kind = kind_of_text(head.decode("utf-8", errors="replace"), file.name, options)
    if kind == "json lines":
        return Records(file.raw, json_lines(file.stream))
    if kind == "json":
        file.reading.container = "JSON"
        return Records(file.raw, json_items(file.stream))
    if kind == "text":
        file.reading.container = sentence("text, one prompt per line")
        return Records(file.raw, text_lines(file.stream))
    return table_of_text(file, file.stream, head, options)


def kind_of_text(head: str, name: str, options: ReadOptions) -> str:
    """Return what a text is: JSON, JSON lines, a table, or prompts line by line."""
    head = head.lstrip("\ufeff \t\r\n")
    suffixes = re.findall(r"\.\w+", name.lower())[-2:]
    first, _, rest = head.partition("\n")
    if head.startswith("["):
        return "json"
    if head.startswith("{"):
        whole = isinstance(json_value(first.encode()), dict)
        unfinished = re.search(r"[{\[,]\s*$", first) or first.strip() == "{"
        if not whole and unfinished and rest.lstrip().startswith('"'):
            return "json"
        return "json lines"
    if options.format in TABLE_FORMATS or options.columns or options.delimiter:
        return "table"
    if any(suffix in suffixes for suffix in JSON_NAMES):
        return "json lines"
    if any(suffix in suffixes for suffix in TABLE_NAMES):
        return "table"
    if options.format is not None:
        return "json lines"
    _, columns = split_header(first)
    if len(columns) > 1 and looks_like_header(columns):
        return "table"
    if ".txt" in suffixes:
        return "text"
    return "table" if len(columns) > 2 else "json lines"


def looks_like_header(columns: list[str]) -> bool:
    """Return True if a row holds names of columns that are known."""
    record = Record(dict.fromkeys(columns, "x"), Reading())
    return shape_of(record) is not None


def table_of_text(file: OpenFile, stream: IO[bytes], head: bytes, options: ReadOptions) -> Records:
    """Return the rows of a table of text as objects by column."""
    delimiter = options.delimiter
    if delimiter is None and any(file.name.lower().endswith(name) for name in (".tsv", ".tab")):
        delimiter = "\t"
    text = head.decode("utf-8", errors="replace").lstrip("\ufeff\r\n")
    delimiter, _ = split_header(re.split(r"[\r\n]", text, maxsplit=1)[0], delimiter)
    if told := SEPARATOR_LINE.match(text):  # written by Excel, for Excel
        stream.readline()
        delimiter = options.delimiter or told[1]
    file.reading.container = CONTAINERS.get(delimiter) or sentence(
        "a table with %(delimiter)s between its columns", delimiter=repr(delimiter)
    )
    rows = table_rows(stream, delimiter)
    _, _, first = next(rows, (0, 0, []))
    if not isinstance(first, list) or not first:
        if isinstance(first, ValueError):
            raise RankingFileError(
                sentence("has no header that can be read: %(first)s", first=str(first))
            )
        return Records(file.raw, iter(()), [], delimiter)
    header = [cell.strip() for cell in first]
    while header and not header[-1]:
        header.pop()
    if len(header) > MOST_COLUMNS:
        raise RankingFileError(
            sentence("has %(columns)s columns; a table of rankings has few", columns=len(header))
        )
    if options.header:
        return Records(file.raw, by_column(rows, header, first), header, delimiter)
    header = [f"column {place}" for place in range(1, len(first) + 1)]
    all_rows = chain([(1, 1, first)], rows)
    return Records(file.raw, by_column(all_rows, header, None), header, delimiter)


def by_column(
    rows: Iterable[tuple[int, int, Any]], header: list[str], repeated: list[str] | None
) -> Iterator[Found]:
    """Yield rows as objects by column, without empty rows and repetitions of the header."""
    for number, _, row in rows:
        if isinstance(row, ValueError):
            yield number, row
            continue
        cells = row[: len(header)]
        if not any(row) or row == repeated:
            continue
        if any(row[len(header) :]) or len(row) < len(header):
            yield (
                number,
                ValueError(
                    plural_sentence(
                        "has %(count)s column where the header has %(columns)s",
                        "has %(count)s columns where the header has %(columns)s",
                        len(row),
                        columns=str(len(header)),
                    )
                ),
            )
        else:
            yield number, dict(zip(header, cells, strict=True))


def split_header(line: str, delimiter: str | None = None) -> tuple[str, list[str]]:
    """Return a table's delimiter, if it is not given the likeliest, and the header's cells."""
    cells = {sign: header_cells(line, sign) for sign in delimiter or CONTAINERS}
    for sign, row in cells.items():
        if len(row) > 1 and looks_like_header(row):
            return sign, row
    by_width = sorted(cells, key=lambda sign: -min(len(cells[sign]), 3))  # stable: | before ,
    return by_width[0], cells[by_width[0]]


def header_cells(line: str, sign: str) -> list[str]:
    try:
        return [cell.strip() for cell in next(csv.reader([line], delimiter=sign), [])]
    except csv.Error:
        return []
