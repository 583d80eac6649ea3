"""Check single values of ranking JSONL, each under a key. Standard library only."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any

MAX_SECONDS = 1e9


def texts_of(value: Any) -> list[str]:
    """Return the texts of a list that can be stored."""
    found = value if isinstance(value, list) else []
    return [text for text in found if isinstance(text, str) and text.strip() and is_storable(text)]


def is_storable(text: str) -> bool:
    try:
        storable(text, "a text")
    except ValueError:
        return False
    return True


def truth(data: Mapping[str, Any], key: str, *, default: bool = False) -> bool:
    value = data.get(key)
    if value is not None and not isinstance(value, bool):
        raise ValueError(f"has a {key} that is neither true nor false")
    return default if value is None else value


def whole(data: Mapping[str, Any], key: str, least: int, most: int) -> int | None:
    value = data.get(key)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise ValueError(f"has a {key} that is not a whole number from {least} to {most}")
    return value


def duration(data: Mapping[str, Any], key: str) -> float | None:
    value = data.get(key)
    if value is None:
        return None
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            seconds = float(value)
        except OverflowError:
            seconds = math.inf
        if 0 <= seconds <= MAX_SECONDS:
            return seconds
    raise ValueError(f"has {key} that are not a number from 0 to {MAX_SECONDS:,.0f}")


def moment(data: Mapping[str, Any], key: str) -> datetime | None:
    """Return a time in UTC."""
    value = data.get(key)
    if value is None:
        return None
    try:
        when = datetime.fromisoformat(value)
        if when.tzinfo is not None:
            return when.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        pass
    raise ValueError(f"has a {key} that is not a moment with its time zone, as 2026-03-01T12:00Z")


def written(data: Mapping[str, Any], key: str) -> str:
    value = data.get(key)
    if value is not None and not isinstance(value, str):
        raise ValueError(f"has a {key} that is not a text")
    return storable(value or "", f"the {key}")


def one_of(data: Mapping[str, Any], key: str, values: Collection[str]) -> str:
    value = data.get(key)
    if value is None:
        return ""
    if not isinstance(value, str) or value not in values:
        article = "an" if key[0] in "aeiou" else "a"
        raise ValueError(f"has {article} {key} that is none of {', '.join(values)}")
    return value


def objects(data: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    value = data.get(key)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise ValueError(f"has {key} that are not a list of objects")
    return value


def id_text(value: Any) -> Any:
    """Return an id that is a number as text, and anything else as it is."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def optional_name(value: Any, key: str, longest: int | None = None) -> str | None:
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise ValueError(f"has a {key} that is not a text")
    if longest is not None and len(value) > longest:
        raise ValueError(f"has a {key} of more than {longest} characters")
    return storable(value, f"the {key}")


def storable(text: str, what: str) -> str:
    """Return the text if a database can store it: without NUL and lone surrogates."""
    if "\0" in text:
        raise ValueError(f"has a NUL character in {what}")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"has a character in {what} that is not Unicode text") from error
    return text
