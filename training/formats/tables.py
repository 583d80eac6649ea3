"""Read Parquet files and workbooks, and write Parquet, in a process of its own.

Such a process is the only one that loads pyarrow or openpyxl.

Lines of JSON go through a pipe as they come. Standard library only.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, cast

from training.child_process import for_child
from training.formats.lines import Found, RankingFileError
from training.formats.table_process import TOO_LONG
from training.sentences import from_json, quoted, sentence

ROOT = Path(__file__).resolve().parents[2]
NAMES = {"parquet": sentence("a Parquet file"), "workbook": sentence("an Excel workbook")}
PYTHON = [sys.executable, "-m"]


@dataclass
class Table:
    """Read an open Parquet file or workbook. Its position is told as if it were read evenly."""

    process: subprocess.Popen[bytes]
    asked: IO[bytes]
    lines: IO[bytes]
    said: IO[bytes]  # what the process says on standard error
    size: int
    container: str = ""
    columns: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)  # columns that hold no text or number
    rows: int | None = None  # not known of a workbook
    first: int = 1  # number of the first row
    read: int = 0

    def tell(self) -> int:
        return self.size * self.read // max(self.rows or self.read, 1)

    def __iter__(self) -> Iterator[Found]:
        """Yield the rows as objects by column, numbered as they stand. Call it once."""
        with self.asked:
            self.asked.write(b"\n")
        for line in self.lines:
            number = self.first + self.read
            self.read += 1
            row = json.loads(line)
            yield number, ValueError(TOO_LONG) if isinstance(row, str) else row
        if self.process.wait() or self.read < (self.rows or 0):
            raise RankingFileError(reason(self.said))


@contextmanager
def open_table(path: str, kind: str, *, header: bool = True) -> Iterator[Table]:
    """Open a Parquet file or a workbook. Raises RankingFileError where it cannot be read."""
    file = Path(path).resolve()
    if not file.is_file():
        raise RankingFileError(
            f"{NAMES[kind]} is read from its end: give the name of a file, not standard input or "
            "a pipe"
        )
    command = [
        *PYTHON,
        f"training.formats.{kind}_process",
        "read" if header else "read-no-header",
        str(file),
    ]
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
        try:
            begins = lines.readline()
            if not begins.endswith(b"\n"):
                process.wait()
                raise RankingFileError(
                    sentence(
                        "is %(kind)s that cannot be opened: %(problem)s. Save it again, or as CSV",
                        kind=NAMES[kind],
                        problem=reason(said),
                    )
                )
            told = json.loads(begins)
            told["container"] = from_json(told["container"])
            yield Table(process, asked, lines, said, file.stat().st_size, **told)
        finally:
            process.kill()  # at its end already, or no longer wanted


def write_table(lines: Iterable[str], out: IO[bytes]) -> None:
    """Write a table to an open file or pipe: a line that says what the columns hold, then rows.

    Raises RankingFileError where that fails, with the reason.
    """
    out.flush()
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(
            [*PYTHON, "training.formats.parquet_process", "write"],
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
    last = next((line for line in reversed(lines) if line), "")
    return quoted(last) if last else sentence("its process was stopped")
