"""Detect the format of a ranking file by its beginning and its name. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Literal

from training.formats.lines import (
    MAX_LINE_BYTES,
    RankingFileError,
    json_value,
)
from training.formats.long_table import (
    guess_columns,
    is_long,
    split_header,
)

Format = Literal["jsonl", "csv", "long", "trl", "oasst", "parquet"]

TABLES = (".csv", ".tsv", ".tab")
JSON = (".jsonl", ".ndjson", ".json")
LOOKED_AT = 10  # lines, until one is JSON


@dataclass(frozen=True, slots=True)
class Beginning:
    """Hold the detected format of a file, and a table's delimiter and columns."""

    format: Format
    delimiter: str = "|"
    columns: list[str] = field(default_factory=list)


def is_parquet(head: bytes) -> bool:
    return head[:4] == b"PAR1"


def recognise(
    stream: IO[bytes],
    path: str,
    format: Format | None,  # noqa: A002 - the option's name
    delimiter: str | None,
    named: bool = False,
) -> tuple[bytes, Beginning]:
    """Return the bytes that were read to detect the format, and the detected format.

    Where columns are `named`, a table is one in long form.
    Raises RankingFileError for Parquet, which cannot be read as a stream.
    """
    lines = first_lines(stream)
    first = next((line for line in lines if line.strip()), b"")
    if format == "parquet":
        raise RankingFileError(f"{path} is not a Parquet file")
    if is_parquet(first):
        raise RankingFileError("is Parquet in a gzip file: unpack it first")
    if format in ("jsonl", "trl", "oasst"):
        return b"".join(lines), Beginning(format)
    names = [suffix.lower() for suffix in Path(path).suffixes[-2:]]
    record = next((value for value in map(record_of, lines) if value is not None), None)
    if format is None and (record is not None or any(name in names for name in JSON)):
        return b"".join(lines), Beginning(json_format(record))
    header = first.decode("utf-8-sig", errors="replace")
    if delimiter is None and ".csv" not in names and any(name in names for name in TABLES):
        delimiter = "\t"
    delimiter, columns = split_header(header, delimiter)
    found: Format = "long" if named or is_long(guess_columns(columns)) else "csv"
    if format is None and found == "csv" and not any(name in names for name in TABLES):
        return b"".join(lines), Beginning("jsonl")
    return b"".join(lines), Beginning(format or found, delimiter, columns)


def first_lines(stream: IO[bytes]) -> list[bytes]:
    """Return the first lines of a stream, up to one that is JSON or cannot be."""
    lines: list[bytes] = []
    while len(lines) < LOOKED_AT and (line := stream.readline(MAX_LINE_BYTES + 1)):
        lines.append(line)
        if not line.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
            if line.strip():
                break
        elif record_of(line) is not None:
            break
    return lines


def record_of(line: bytes) -> dict[str, Any] | None:
    """Return the JSON object of a line, if it is one."""
    if not line.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        return None
    value = json_value(1, line)
    return value if isinstance(value, dict) else None


def json_format(record: dict[str, Any] | None) -> Format:
    """Return the format of JSON lines that an object belongs to."""
    if record is not None and {"chosen", "rejected"} <= record.keys():
        return "trl"
    if record is not None and (
        "message_tree_id" in record or isinstance(record.get("prompt"), dict)
    ):
        return "oasst"
    return "jsonl"
