"""Read workbooks of Excel and its like as lines of JSON, in a process of its own.

python -m training.formats.workbook_process read FILE, or read-no-header FILE.

A program of its own, because a small file may unpack to a large one: its memory is bounded.
"""

from __future__ import annotations

import resource
import sys
from functools import partial
from typing import Any

from training.child_process import end_with_parent
from training.formats.table_process import as_json, begin, run, write_line
from training.sentences import sentence, to_json

try:
    import openpyxl
except ImportError:
    sys.exit("workbooks need openpyxl: install it with pip install -r requirements-web.txt")

MEMORY = 2 * 2**30  # bytes
MOST_COLUMNS = 1000


def read(path: str, *, header: bool) -> None:
    """Write the columns of a workbook's first sheet that has any, and its rows."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    book = openpyxl.load_workbook(path, read_only=True, data_only=True, keep_links=False)
    sheets = [sheet for sheet in book.worksheets if sheet.sheet_state == "visible"]
    filled = [(sheet, rows) for sheet in sheets if (rows := first_rows(sheet)) is not None]
    if not filled:
        sys.exit(sentence("its sheets are empty"))
    sheet, (number, first) = filled[0]
    others = [other.title for other, _ in filled[1:]]
    names = [shown(cell).strip() for cell in first]
    if not header:
        names = [f"column {place}" for place in range(1, len(first) + 1)]
        number -= 1
    container = sentence("Excel workbook, sheet %(sheet)s", sheet=sheet.title)
    if others:
        container = sentence(
            "%(container)s (not %(others)s)", container=container, others=", ".join(others)
        )
    begin(
        container=to_json(container),
        columns=names,
        first=number + 1,
    )
    for cells in sheet.iter_rows(min_row=number + 1, values_only=True):
        row = dict(zip(names, map(shown, cells), strict=False))
        write_line(row if any(map(is_filled, cells)) else None)
    sys.stdout.flush()


def first_rows(sheet: Any) -> tuple[int, tuple[Any, ...]] | None:
    """Return the number and the cells of a sheet's first row that holds something."""
    for number, cells in enumerate(sheet.iter_rows(max_row=100, values_only=True), start=1):
        if any(map(is_filled, cells)):
            return number, cells[:MOST_COLUMNS]
    return None


def is_filled(cell: Any) -> bool:
    return cell is not None and cell != ""


def shown(cell: Any) -> str:
    """Return a cell as the text that CSV would hold."""
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    if isinstance(cell, bool):
        return str(cell).lower()
    return "" if cell is None else cell if isinstance(cell, str) else as_json(cell)


def main(arguments: list[str]) -> None:
    end_with_parent()
    match arguments:
        case ["read" | "read-no-header" as how, path]:
            run(partial(read, path, header=how == "read"))
        case _:
            sys.exit("usage: python -m training.formats.workbook_process read FILE")


if __name__ == "__main__":
    main(sys.argv[1:])
