"""Read single values as people write them: ranks, scores, times, flags. Standard library only."""

from __future__ import annotations

import json
import math
import re
from datetime import UTC, datetime
from typing import Any

from training.sentences import sentence

DECIMAL_COMMA = re.compile(r"-?\d+,\d{1,2}")  # no separator of thousands
ORDINAL = re.compile(r"(?i)#?(\d+)(?:st|nd|rd|th|\.)?$")
WORDS = {
    word: place
    for place, word in enumerate(
        ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth"],
        start=1,
    )
}
TRUTHS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


def blank(value: Any) -> bool:
    """Return True for an empty cell: None, an empty text, or NaN, which pandas writes for it."""
    return value is None or value == "" or value != value


def missing(value: Any) -> bool:
    """Return True for an empty cell of a column of numbers, which may say so in a word."""
    if isinstance(value, str):
        return value.strip().lower() in ("", "nan", "null", "none", "n/a", "na", "-")
    return blank(value)


def text(value: Any) -> Any:
    """Return a name that is a number as text, and anything else as it is."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # pandas writes a column of whole numbers with gaps so
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def number_of(value: Any, name: str) -> float | None:
    """Return a number, or None for an empty cell. Raises ValueError."""
    if missing(value):
        return None
    if isinstance(value, str) and DECIMAL_COMMA.fullmatch(value.strip()):
        value = value.replace(",", ".")
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(
            sentence(
                "has a %(name)s that is not a number: %(value)s",
                name=name,
                value=repr(str(value)[:40]),
            )
        )
    return number


def number_in(value: Any) -> float | None:
    """Return a value as a number, or None if it is none."""
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None


def whole(value: Any, name: str) -> int | None:
    """Return a whole number, or None for an empty cell. Raises ValueError."""
    number = number_of(value, name)
    if number is None:
        return None
    if not number.is_integer():
        raise ValueError(
            sentence(
                "has a %(name)s that is not a whole number: %(value)s",
                name=name,
                value=repr(str(value)[:40]),
            )
        )
    return int(number)


def rank_of(value: Any) -> float | None:
    """Return a rank: a number, which may be the mean of tied ranks, or an ordinal such as 2nd."""
    if isinstance(value, str):
        said = value.strip().lower()
        if (match := ORDINAL.match(said)) is not None:
            return float(match[1])
        if said in WORDS:
            return float(WORDS[said])
    return number_of(value, "rank")


def score_of(value: Any) -> float | None:
    """Return a score: a number, or true or false as 1 and 0."""
    if isinstance(value, bool):
        return float(value)
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return float(value.strip().lower() == "true")
    return number_of(value, "score")


def truth(value: Any, name: str) -> bool | None:
    """Return true or false, or None for an empty cell. Raises ValueError."""
    if isinstance(value, bool):
        return value
    if missing(value):
        return None
    try:
        return TRUTHS[str(value).strip().lower()]
    except KeyError:
        raise ValueError(
            sentence(
                "has a %(name)s that is neither true nor false: %(value)s",
                name=name,
                value=repr(value),
            )
        ) from None


def time_of(value: Any) -> str | None:
    """Return a time in ISO 8601 with its zone, UTC where it names none; None if it is no time."""
    try:
        if isinstance(value, str) and not re.fullmatch(r"\d+(\.\d+)?", value.strip()):
            when = datetime.fromisoformat(value.strip())
        else:
            seconds = float(value)
            if not 1e8 < seconds < 1e14:
                return None
            when = datetime.fromtimestamp(seconds / (1000 if seconds > 1e11 else 1), UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        return None
    return (when if when.tzinfo is not None else when.replace(tzinfo=UTC)).isoformat()


def parsed(value: Any, what: str) -> Any:
    """Return a list or an object that a cell holds as JSON. Raises ValueError if it is not JSON."""
    if not isinstance(value, str) or not value:
        return None if blank(value) else value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        raise ValueError(sentence("has a %(what)s that is not JSON", what=what)) from None


def unfolded(value: Any) -> Any:
    """Return the list or object that a text holds as JSON, or the value as it is."""
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        try:
            found = json.loads(value)
        except (ValueError, RecursionError):
            return value
        if isinstance(found, list | dict):
            return found
    return value


def groups_of(
    ids: list[str], places: list[float | None], *, highest_first: bool = False
) -> tuple[list[list[str]], list[str]]:
    """Return the ids as groups of ties, best first, and the ids that have no place."""
    known = sorted({place for place in places if place is not None}, reverse=highest_first)
    pairs = list(zip(ids, places, strict=True))
    groups = [[id_ for id_, place in pairs if place == value] for value in known]
    return groups, [id_ for id_, place in pairs if place is None]
