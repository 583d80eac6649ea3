"""`python -m training.parquet read FILE`: a Parquet file as lines of JSON, in bounded memory.

A program of its own, so that neither the pages nor an import load pyarrow. It says what the file
has, is told on standard input which columns are wanted, and writes their rows.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, date, datetime
from typing import Any

try:
    import pyarrow as pa
    import pyarrow.parquet as pq
except ImportError:
    sys.exit("Parquet needs pyarrow: install it with pip install -r requirements.txt")

ROWS = 256  # read at a time
BUFFER = 2**20


def read(path: str) -> None:
    """Write the columns and the number of rows, then the rows with the columns that are asked."""
    with pq.ParquetFile(path, buffer_size=BUFFER, pre_buffer=False) as file:
        write_line({"columns": file.schema_arrow.names, "rows": file.metadata.num_rows})
        sys.stdout.flush()
        asked = sys.stdin.readline()
        if not asked:
            return  # they wanted to know the columns
        for batch in file.iter_batches(batch_size=ROWS, columns=json.loads(asked)):
            for row in batch.to_pylist():
                write_line(row)
        sys.stdout.flush()


def write_line(value: Any) -> None:
    sys.stdout.write(json.dumps(value, default=as_json) + "\n")


def as_json(value: Any) -> str:
    """What JSON has no form for, as a text."""
    if isinstance(value, datetime):
        utc = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
        return utc.isoformat(timespec="microseconds").replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    return value.decode(errors="surrogateescape") if isinstance(value, bytes) else str(value)


def main(arguments: list[str]) -> None:
    if len(arguments) != 2 or arguments[0] != "read":
        sys.exit("usage: python -m training.parquet read FILE")
    try:
        read(arguments[1])
    except BrokenPipeError:
        sys.exit(1)
    except (OSError, pa.ArrowException) as error:
        sys.exit(" ".join(str(error).split()))


if __name__ == "__main__":
    main(sys.argv[1:])
