"""Check single values of ranking JSONL, each under a key. Standard library only."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from typing import Any

from training.sentences import Sentence, sentence

MAX_SECONDS = 1e9


def texts_of(value: Any) -> list[str]:
    """Return the texts of a list that can be stored."""
    found = value if isinstance(value, list) else []
    return [text for text in found if isinstance(text, str) and text.strip() and is_storable(text)]


def is_storable(text: str) -> bool:
    try:
        storable(text, "")
    except ValueError:
        return False
    return True


def truth(data: Mapping[str, Any], key: str, *, default: bool = False) -> bool:
    value = data.get(key)
    if value is not None and not isinstance(value, bool):
        raise ValueError(sentence("has a %(key)s that is neither true nor false", key=key))
    return default if value is None else value


def whole(data: Mapping[str, Any], key: str, least: int, most: int) -> int | None:
    value = data.get(key)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise ValueError(
            sentence(
                "has a %(key)s that is not a whole number from %(least)s to %(most)s",
                key=key,
                least=str(least),
                most=str(most),
            )
        )
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
    raise ValueError(
        sentence(
            "has %(key)s that are not a number from 0 to %(most)s", key=key, most=int(MAX_SECONDS)
        )
    )


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
    raise ValueError(
        sentence(
            "has a %(key)s that is not a moment with its time zone, as 2026-03-01T12:00Z", key=key
        )
    )


def written(data: Mapping[str, Any], key: str) -> str:
    value = data.get(key)
    if value is not None and not isinstance(value, str):
        raise ValueError(sentence("has a %(key)s that is not a text", key=key))
    return storable(value or "", lambda: under(key))


def one_of(data: Mapping[str, Any], key: str, values: Collection[str]) -> str:
    value = data.get(key)
    if value is None:
        return ""
    if not isinstance(value, str) or value not in values:
        raise ValueError(
            sentence("has an %(key)s that is none of %(values)s", key=key, values=", ".join(values))
            if key[0] in "aeiou"
            else sentence(
                "has a %(key)s that is none of %(values)s", key=key, values=", ".join(values)
            )
        )
    return value


def objects(data: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    value = data.get(key)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise ValueError(sentence("has %(key)s that are not a list of objects", key=key))
    return value


def id_text(value: Any) -> Any:
    """Return an id that is a number as text, and anything else as it is."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def optional_name(value: Any, key: str, longest: int | None = None) -> str | None:
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise ValueError(sentence("has a %(key)s that is not a text", key=key))
    if longest is not None and len(value) > longest:
        raise ValueError(
            sentence("has a %(key)s of more than %(longest)s characters", key=key, longest=longest)
        )
    return storable(value, lambda: under(key))


def under(key: str) -> Sentence:
    return sentence("the %(key)s", key=key)


def storable(text: str, what: str | Callable[[], str]) -> str:
    """Return the text if a database can store it: without NUL and lone surrogates.

    `what` says which text it is, or returns that where it is needed.
    """
    if "\0" in text:
        raise ValueError(
            sentence(
                "has a NUL character in %(what)s", what=what if isinstance(what, str) else what()
            )
        )
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            sentence(
                "has a character in %(what)s that is not Unicode text",
                what=what if isinstance(what, str) else what(),
            )
        ) from error
    return text
