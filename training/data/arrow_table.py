"""Tables as Arrow files, written row by row and read through a memory map.

Columns of lists, bytes or texts are read one row at a time, as a view of the file. A column of
numbers is read as one array.
"""

from __future__ import annotations

import mmap
from copy import copy
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

ROWS = 2048
"""Rows in each batch of a file but the last."""


class TableWriter:
    """Write rows to an Arrow file, with one batch of them in memory."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.schema = schema
        self.rows = 0
        self._columns: list[list[Any]] = [[] for _ in schema]
        self._file = pa.OSFile(str(path), "wb")
        self._writer = pa.ipc.new_file(self._file, schema)

    def add(self, *values: object) -> None:
        """Add a row."""
        for column, value in zip(self._columns, values, strict=True):
            column.append(value)
        self.rows += 1
        if self.rows % ROWS == 0:
            self._flush()

    def _flush(self) -> None:
        arrays = [
            pa.array(column, type=field.type)
            for column, field in zip(self._columns, self.schema, strict=True)
        ]
        self._writer.write_batch(pa.record_batch(arrays, schema=self.schema))
        self._columns = [[] for _ in self.schema]

    def __enter__(self) -> TableWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None and self._columns[0]:
            self._flush()
        self._writer.close()
        self._file.close()


class Lists:
    """Read a column of lists of numbers, or of the bytes of texts."""

    def __init__(self, chunks: list[pa.Array]) -> None:
        self._offsets: list[NDArray[np.int64]] = []
        self._values: list[NDArray[Any]] = []
        self._rows: NDArray[np.int64] | None = None
        for chunk in chunks:
            _, offsets, *data = chunk.buffers()
            self._offsets.append(np.frombuffer(offsets, np.int64))
            if pa.types.is_large_list(chunk.type):
                self._values.append(chunk.values.to_numpy())
            else:
                self._values.append(np.frombuffer(data[0], np.uint8))

    def at(self, rows: NDArray[np.int64]) -> Lists:
        """Return these rows alone, numbered anew."""
        found = copy(self)
        found._rows = rows if self._rows is None else self._rows[rows]
        return found

    def __getitem__(self, row: int) -> NDArray[Any]:
        row = row if self._rows is None else int(self._rows[row])
        batch, place = divmod(row, ROWS)
        offsets = self._offsets[batch]
        return self._values[batch][offsets[place] : offsets[place + 1]]


class Table:
    """Open a file that TableWriter wrote. Raises OSError or pyarrow.ArrowInvalid for another."""

    def __init__(self, path: Path) -> None:
        with open(path, "rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._table = pa.ipc.open_file(pa.py_buffer(self._map)).read_all()

    def release_pages(self) -> None:
        """Release the pages read so far; they are read from the file again when used again.

        The system releases them only when memory runs out, and until then the process looks as
        large as the file.
        """
        self._map.madvise(mmap.MADV_DONTNEED)

    def numbers(self, name: str) -> NDArray[Any]:
        """Return a column of numbers."""
        found: NDArray[Any] = self._table[name].to_numpy()
        return found

    def lists(self, name: str) -> Lists:
        """Return a column of lists, bytes or texts."""
        return Lists(self._table[name].chunks)
