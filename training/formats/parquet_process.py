"""Read Parquet as lines of JSON, and write it from them, in a process of its own.

python -m training.formats.parquet_process read FILE, or write.

A program of its own, so that neither the pages nor an import load pyarrow. Reading, it says what
the file has, is told on standard input which columns are wanted, and writes their rows. Writing, it
takes on standard input what the columns hold and then the rows, and writes to standard output.
Memory is that of a row group.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

from training.child_process import end_with_parent
from training.formats.lines import LONGEST, MAX_LINE_BYTES

try:
    import pyarrow as pa
    import pyarrow.parquet as pq
except ImportError:
    sys.exit("Parquet needs pyarrow: install it with pip install -r requirements.txt")

ROWS = 256  # read at a time
BUFFER = 2**20
TOO_LONG = f"is longer than {LONGEST}"
GROUP_ROWS, GROUP_BYTES = 10_000, 8 * 2**20  # of a row group, whichever is reached first

MESSAGE = pa.struct([("role", pa.string()), ("content", pa.string())])
TYPES = {
    "text": pa.string(),
    "whole": pa.int64(),
    "number": pa.float64(),
    "truth": pa.bool_(),
    "moment": pa.timestamp("us", tz="UTC"),
    "texts": pa.list_(pa.string()),
    "messages": pa.list_(MESSAGE),
}


def read(path: str) -> None:
    """Write the columns and the number of rows, then the rows with the columns that are asked."""
    with pq.ParquetFile(path, buffer_size=BUFFER, pre_buffer=False) as file:
        write_line({"columns": file.schema_arrow.names, "rows": file.metadata.num_rows})
        sys.stdout.flush()
        asked = sys.stdin.buffer.readline()
        if not asked:
            return  # they wanted to know the columns
        for batch in file.iter_batches(batch_size=ROWS, columns=json.loads(asked)):
            for row in rows_of(batch):
                write_line(row)
        sys.stdout.flush()


def rows_of(batch: pa.RecordBatch) -> Iterator[Any]:
    """Yield the rows, or a text that says so in place of one that is too long."""
    at_once = batch.num_rows if batch.nbytes <= MAX_LINE_BYTES else 1
    for start in range(0, batch.num_rows, at_once):
        some = batch.slice(start, at_once)
        if some.nbytes > 2 * MAX_LINE_BYTES and at_once == 1:
            yield TOO_LONG
        else:
            yield from some.to_pylist()


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


class Output:
    """Write to standard output, which may be a pipe, and count the bytes written."""

    closed = False

    def __init__(self) -> None:
        self.written = 0

    def write(self, data: bytes) -> int:
        self.written += sys.stdout.buffer.write(data)
        return len(data)

    def tell(self) -> int:
        return self.written

    def flush(self) -> None:
        sys.stdout.buffer.flush()

    def close(self) -> None:
        self.flush()


def write() -> None:
    """Write the rows of standard input as Parquet, row group by row group."""
    columns = json.loads(sys.stdin.buffer.readline())
    schema = pa.schema([(name, TYPES[kind]) for name, kind in columns.items()])
    moments = [name for name, kind in columns.items() if kind == "moment"]
    with pq.ParquetWriter(pa.PythonFile(Output(), "w"), schema, compression="zstd") as file:
        for group in row_groups(moments):
            file.write_table(pa.Table.from_pylist(group, schema))
    sys.stdout.flush()


def row_groups(moments: list[str]) -> Iterator[list[dict[str, Any]]]:
    group: list[dict[str, Any]] = []
    size = 0
    for line in sys.stdin.buffer:
        row = json.loads(line)
        for name in moments:
            row[name] = row[name] and datetime.fromisoformat(row[name])
        group.append(row)
        size += len(line)
        if len(group) >= GROUP_ROWS or size >= GROUP_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group


def main(arguments: list[str]) -> None:
    end_with_parent()
    try:
        if arguments == ["write"]:
            write()
        elif len(arguments) == 2 and arguments[0] == "read":
            read(arguments[1])
        else:
            sys.exit("usage: python -m training.formats.parquet_process read FILE, or write")
    except (OSError, pa.ArrowException) as error:
        # Nothing more can be written; what Python would flush at its end would fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        sys.exit(" ".join(said.split()))


if __name__ == "__main__":
    main(sys.argv[1:])
