"""Keep the bad lines of a file on disk, where one page can be read without the others."""

import csv
import io
import json
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from django.utils.translation import override

from labelapp.rendering.sentences import translated
from labelapp.rendering.spreadsheet import cell
from training.formats.ranking_file import BadLine, Line
from training.sentences import from_json, to_json

PAGE = 100  # lines on a page
MOST_LINES, MOST_BYTES = 10_000, 10 * 2**20  # that are kept; the others are counted
OFFSET = struct.Struct("<Q")  # where in the file a page begins


class BadLines:
    """Writes bad lines as JSON lines, and the offset of each page to a second file.

    Of very many only the first are kept: a small file may hold millions.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0  # lines that are kept
        self.waiting: list[BadLine] = []

    def __enter__(self) -> Self:
        self.file = self.path.open("wb")
        self.offsets = offsets_path(self.path).open("wb")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self.flush()
        finally:
            self.file.close()
            self.offsets.close()

    def add(self, bad: BadLine) -> None:
        self.waiting.append(bad)

    def before(self, lines: Iterable[Line | BadLine]) -> Iterator[Line | BadLine]:
        """Yield the lines to an importer, and write the bad lines of each finished batch.

        In a batch the importer reports unreadable lines first and contradictions later. Once it
        asks for the next line the batch is complete, so its bad lines can be written in order.
        """
        for line in lines:
            if self.waiting:
                self.write()
            yield line

    def write(self) -> None:
        for bad in sorted(self.waiting, key=lambda bad: bad.number):
            if self.count >= MOST_LINES or self.file.tell() >= MOST_BYTES:
                break
            if self.count % PAGE == 0:
                self.offsets.write(OFFSET.pack(self.file.tell()))
            self.file.write(json.dumps([bad.number, to_json(bad.reason)]).encode() + b"\n")
            self.count += 1
        self.waiting.clear()

    def flush(self) -> None:
        """Write all bad lines to disk, so that a reader finds them."""
        self.write()
        self.file.flush()
        self.offsets.flush()


def read_page(path: Path, number: int) -> list[BadLine]:
    """Return the bad lines of a page, counted from 1; an empty list if the page does not exist."""
    try:
        with offsets_path(path).open("rb") as offsets, path.open("rb") as file:
            offsets.seek((number - 1) * OFFSET.size)
            if len(offset := offsets.read(OFFSET.size)) < OFFSET.size:
                return []
            file.seek(OFFSET.unpack(offset)[0])
            return [bad_line(line) for line, _ in zip(file, range(PAGE), strict=False)]
    except OSError:
        return []


def read_csv(path: Path, language: str) -> Iterator[str]:
    """Yield all bad lines as CSV, row by row, with their reasons in a language."""
    buffer = io.StringIO()
    table = csv.writer(buffer)
    table.writerow(["line", "reason"])
    with path.open("rb") as file:
        for line in file:
            bad = bad_line(line)
            with override(language):  # not around the yield, where other pages may be written
                table.writerow([bad.number, cell(translated(bad.reason))])
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue()


def bad_line(line: bytes) -> BadLine:
    number, reason = json.loads(line)
    return BadLine(number, from_json(reason))


def offsets_path(path: Path) -> Path:
    return path.with_suffix(".pages")
