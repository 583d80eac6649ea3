"""Read a prompt and its responses from columns whose names say which response is the best.

The file of the classic tutorial is one: the prompt, then the most, the somewhat and the least
preferable response. Standard library only.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from training.formats.conversation import prompt_of, response_text
from training.formats.record import LABELLERS, NAMES, Record, normal
from training.formats.values import WORDS, blank

BEST, MIDDLE, WORST = 0.0, 50.0, 100.0
PLACES = {
    **dict.fromkeys(("best", "most", "top", "winner", "favourite", "favorite"), BEST),
    **{word: float(place) for word, place in WORDS.items()},
    **dict.fromkeys(("good", "better"), 30.0),
    **dict.fromkeys(("middle", "mid", "medium", "average", "neutral"), MIDDLE),
    **dict.fromkeys(("some", "somewhat", "ok", "okay"), MIDDLE),
    **dict.fromkeys(("bad", "worse", "poor"), 70.0),
    **dict.fromkeys(("worst", "least", "last", "bottom"), WORST),
}
NOUNS = frozenset(
    [
        "response",
        "responses",
        "answer",
        "answers",
        "completion",
        "output",
        "reply",
        "generation",
        "text",
        "option",
        "candidate",
        "preferable",
        "preferred",
        "choice",
        "place",
        "placed",
        "rank",
        "ranked",
        "ranking",
        "one",
        "the",
        "quality",
        "rated",
        "summary",
        "translation",
    ]
)
KNOWN = {name for names in NAMES.values() for name in names}
NUMBERED = re.compile(
    r"(?:.*_)?(?:rank|place|top|position|ranked|preference)_?(\d)(?:_\w+)?$|(\d)(?:st|nd|rd|th)(?:_.*)?$"
)


@lru_cache(maxsize=1024)
def place_of(name: str) -> float | None:
    """Return the place that a column's normal name gives to its response, or None."""
    if match := NUMBERED.match(name):
        return float(match[1] or match[2])
    words = name.split("_")
    if any(word not in PLACES and word not in NOUNS for word in words):
        return None
    found = [PLACES[word] for word in words if word in PLACES]
    if len(found) == 2 and BEST in found:  # the second best
        found.remove(BEST)
    if len(found) == 2 and WORST in found:  # the second worst
        return WORST - 10 * max(1.0, min(found) - 1)
    return found[0] if len(found) == 1 else None


def columns_best_first(record: Record) -> list[str]:
    """Return the keys whose names say an order, best first; none if that is not certain."""
    keys = [(key, place_of(name)) for name, key in record.names.items()]
    known = [(place, key) for key, place in keys if place is not None]
    if len(known) < 2 or len({place for place, _ in known}) < len(known):
        return []
    if is_mixed(record, [key for _, key in known]):
        return []
    texts = [key for _, key in sorted(known) if isinstance(record.data[key], str | list | dict)]
    return texts if len(texts) >= 2 and not all(map(is_number, map(record.data.get, texts))) else []


def is_mixed(record: Record, keys: Sequence[str]) -> bool:
    """Return True if an unknown key stands among those of the responses."""
    order = list(record.data)
    places = [order.index(key) for key in keys]
    between = set(order[min(places) : max(places)]) - set(keys)
    return any(normal(key) not in KNOWN for key in between)


def is_number(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"-?\d+(\.\d+)?", value.strip()) is not None


def read_best_first(record: Record, keys: Sequence[str]) -> dict[str, Any]:
    """Return a record as an object of ranking JSONL. Raises ValueError that says what is wrong."""
    there = list(keys)
    while there and blank(record.data[there[-1]]):
        there.pop()  # a table whose rankings differ in length ends with empty cells
    texts = [response_text(record.read(key, "responses, best first"), record, key) for key in there]
    return {
        "prompt": prompt_of(record),
        "responses": [{"id": key, "text": text} for key, text in zip(there, texts, strict=True)],
        "ranking": [[key] for key in there],
    }


def told_best_first(header: Sequence[str]) -> tuple[str, list[str]]:
    """Return the column of the prompt and those of the responses of a table said to be best first.

    The prompt is the column that is known as one, or else the first that has a name, and the
    responses are the columns after it that are not known as something else.
    """
    names = {normal(column): column for column in reversed(header) if column}
    prompt = next((names[name] for name in NAMES["prompt"] if name in names), "")
    prompt = prompt or next(column for column in header if column)
    known = {*NAMES["row_id"], *NAMES["prompt_id"], *NAMES["system"], *NAMES["note"],
             *NAMES["created_at"], *NAMES["seconds"], *NAMES["labeller"], *LABELLERS}  # fmt: skip
    after = header[header.index(prompt) + 1 :]
    return prompt, [column for column in after if column and normal(column) not in known]
