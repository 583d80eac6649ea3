"""Write values as spreadsheet cells, without formula injection."""

import json
import re
from typing import Any

# Characters that start a formula in a spreadsheet, or that it skips in front of one (OWASP, CSV
# injection), full-width ones included. Apostrophes in front of them prevent that.
FORMULA = re.compile(r"'*[=+\-@＝＋－＠\t\r\n]")


ENCODER = json.JSONEncoder(ensure_ascii=False)


def cell(value: Any) -> str:
    """Return a value as the text of a cell.

    A text that matches FORMULA gets an apostrophe in front. To read it back, remove one apostrophe
    wherever FORMULA matches.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return compact(value)
    if isinstance(value, str):
        return f"'{value}" if FORMULA.match(value) else value
    return "" if value is None else str(value)


def compact(value: Any) -> str:
    return ENCODER.encode(value)
