"""Values of query strings and posted forms, which anybody can make up."""

import re
from collections.abc import Mapping


def key_of(text: str) -> int | None:
    """Return the key of a row that a text is, or None; no database holds more than 18 digits."""
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else None


def text_of(data: Mapping[str, str], name: str, most: int) -> str:
    """Return a text of at most `most` characters, without NUL, which databases do not store."""
    return data.get(name, "").replace("\0", "").strip()[:most]
