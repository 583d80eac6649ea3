"""Read and write Parquet files in a process of its own, the only one that loads pyarrow.

Lines of JSON go through a pipe as they come. Standard library only.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from training.child_process import for_child
from training.formats.lines import Found, RankingFileError
from training.formats.long_table import chosen_columns, gathered
from training.formats.trl_pairs import read_pairs

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = [sys.executable, "-m", "training.formats.parquet_process"]


@dataclass
class ParquetTable:
    """Read an open Parquet file. Its position is told as if its bytes were read evenly."""

    process: subprocess.Popen[bytes]
    asked: IO[bytes]
    lines: IO[bytes]
    said: IO[bytes]  # what the process says on standard error
    size: int
    columns: list[str]
    rows: int
    read: int = 0

    def tell(self) -> int:
        return self.size * self.read // max(self.rows, 1)

    def rows_of(self, columns: Sequence[str]) -> Iterator[Found]:
        """Yield the rows with these columns, numbered from 1. Call it once."""
        with self.asked:
            self.asked.write(json.dumps(columns).encode() + b"\n")
        for line in self.lines:
            self.read += 1
            row = json.loads(line)
            yield self.read, ValueError(row) if isinstance(row, str) else row
        if self.process.wait() or self.read < self.rows:
            raise RankingFileError(reason(self.said))


@contextmanager
def open_table(path: str) -> Iterator[ParquetTable]:
    """Open a Parquet file. Raises RankingFileError where it cannot be read, with the reason."""
    file = Path(path).resolve()
    if not file.is_file():
        raise RankingFileError(
            "Parquet is read from its end: give the name of a file, not standard input or a pipe"
        )
    command = [*PROGRAM, "read", str(file)]
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(
            command,
            cwd=ROOT,
            env=for_child(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
        ) as process,
    ):
        asked, lines = cast(IO[bytes], process.stdin), cast(IO[bytes], process.stdout)
        table = ParquetTable(process, asked, lines, said, file.stat().st_size, [], 0)
        try:
            begins = lines.readline()
            if not begins.endswith(b"\n"):
                process.wait()
                raise RankingFileError(f"{path} cannot be read: {reason(said)}")
            header = json.loads(begins)
            table.columns, table.rows = header["columns"], header["rows"]
            yield table
        finally:
            process.kill()  # at its end already, or no longer wanted


def read_table(table: ParquetTable, columns: Mapping[str, str] | None) -> Iterator[Found]:
    """Yield the rankings of a Parquet file of pairs, of ranking JSONL, or in long form."""
    there = set(table.columns)
    if columns is None and {"chosen", "rejected"} <= there:
        pairs = [name for name in ("prompt", "chosen", "rejected", "labeller") if name in there]
        return read_pairs(table.rows_of(pairs))
    if columns is None and {"prompt", "responses"} <= there:
        return table.rows_of(table.columns)
    chosen = chosen_columns(table.columns, columns)
    return gathered(renamed(table, chosen), chosen.keys())


def renamed(table: ParquetTable, columns: Mapping[str, str]) -> Iterator[Found]:
    for number, row in table.rows_of(list(dict.fromkeys(columns.values()))):
        if isinstance(row, dict):
            row = {name: row[column] for name, column in columns.items()}
        yield number, row


def write_table(lines: Iterable[str], out: IO[bytes]) -> None:
    """Write a table to an open file or pipe: a line that says what the columns hold, then rows.

    Raises RankingFileError where that fails, with the reason.
    """
    out.flush()
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(
            [*PROGRAM, "write"],
            cwd=ROOT,
            env=for_child(),
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=said,
        ) as process,
    ):
        rows = cast(IO[bytes], process.stdin)
        try:
            with suppress(BrokenPipeError), rows:  # it has ended, and says why
                for line in lines:
                    rows.write(line.encode())
            if process.wait():
                raise RankingFileError(reason(said))
        finally:
            process.kill()  # at its end already, or no longer wanted


def reason(said: IO[bytes]) -> str:
    """Return the reason why the process ended early."""
    said.seek(0)
    lines = said.read().decode(errors="replace").split("\n")
    return next((line for line in reversed(lines) if line), "its process was stopped")
