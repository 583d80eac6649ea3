"""Read Parquet as lines of JSON, and write it from them, in a process of its own.

python -m training.formats.parquet_process read FILE, or write.

A program of its own, so that neither the pages nor an import load pyarrow. Writing, it takes on
standard input what the columns hold and then the rows, and writes to standard output. Memory is
that of a row group.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import datetime
from functools import partial
from typing import Any

from training.child_process import end_with_parent
from training.formats.lines import MAX_LINE_BYTES
from training.formats.table_process import TOO_LONG, begin, run, write_line

try:
    import pyarrow as pa
    import pyarrow.parquet as pq
except ImportError:
    sys.exit("Parquet needs pyarrow: install it with pip install -r requirements.txt")

ROWS = 256  # read at a time
BUFFER = 2**20
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
    """Write what the file holds, and the rows once they are asked for."""
    with pq.ParquetFile(path, buffer_size=BUFFER, pre_buffer=False) as file:
        schema = file.schema_arrow
        columns = [name for name in schema.names if is_readable(schema.field(name).type)]
        begin(
            container="Parquet",
            columns=columns,
            left_out=[name for name in schema.names if name not in columns],
            rows=file.metadata.num_rows,
        )
        for batch in file.iter_batches(batch_size=ROWS, columns=columns):
            for row in rows_of(batch):
                write_line(row)
        sys.stdout.flush()


def is_readable(kind: pa.DataType) -> bool:
    """Return False for bytes and for vectors of numbers, which are no part of a ranking."""
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    is_vector = is_list and pa.types.is_floating(kind.value_type)
    return not (pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or
                pa.types.is_fixed_size_list(kind) or is_vector)  # fmt: skip


def rows_of(batch: pa.RecordBatch) -> Iterator[Any]:
    """Yield the rows, or a text that says so in place of one that is too long."""
    at_once = batch.num_rows if batch.nbytes <= MAX_LINE_BYTES else 1
    for start in range(0, batch.num_rows, at_once):
        some = batch.slice(start, at_once)
        if some.nbytes > 2 * MAX_LINE_BYTES and at_once == 1:
            yield TOO_LONG
        else:
            yield from some.to_pylist()


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
    match arguments:
        case ["write"]:
            run(write)
        case ["read", path]:
            run(partial(read, path))
        case _:
            sys.exit("usage: python -m training.formats.parquet_process read FILE, or write")


if __name__ == "__main__":
    main(sys.argv[1:])
