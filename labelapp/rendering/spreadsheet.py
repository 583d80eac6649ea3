"""Values as cells of a spreadsheet, with formulas defused."""

import json
import re
from typing import Any

# What a spreadsheet runs as a formula, or drops to find one behind it (OWASP, CSV injection): also
# in the full width of East Asian keyboards. Apostrophes before it are what defuses it.
FORMULA = re.compile(r"'*[=+\-@＝＋－＠\t\r\n]")


ENCODER = json.JSONEncoder(ensure_ascii=False)


def cell(value: Any) -> str:
    """A value as a spreadsheet may open it.

    What it would run as a formula has an apostrophe before it; so has what would look like that.
    Taking one away where FORMULA matches gives back the text.
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
