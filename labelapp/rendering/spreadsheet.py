"""Spreadsheet cells that no spreadsheet program runs as a formula."""

import json
import re
from typing import Any

# Text that a spreadsheet program would run as a formula, or strip to find one (OWASP, "CSV
# Injection"), including the full-width signs of East Asian keyboards. An apostrophe in front
# prevents it; text that already begins with apostrophes gets one more, so that it can be undone.
FORMULA = re.compile(r"'*[=+\-@＝＋－＠\t\r\n]")

ENCODER = json.JSONEncoder(ensure_ascii=False)


def cell(value: Any) -> str:
    """Return a value as the text of a spreadsheet cell, with an apostrophe before a formula.

    Removing the first character of every cell that FORMULA matches restores the text.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return compact(value)
    if isinstance(value, str):
        return f"'{value}" if FORMULA.match(value) else value
    return "" if value is None else str(value)


def compact(value: Any) -> str:
    """Return a value as JSON on one line."""
    return ENCODER.encode(value)
