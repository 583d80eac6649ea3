"""Recognise the shape of a record by its keys."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from training.formats import argilla, label_studio, oasst
from training.formats.archive_keys import OF_A_PROMPT, OF_A_RANKING
from training.formats.best_first import columns_best_first
from training.formats.conversation import is_transcript
from training.formats.pairs import keys_of_pair
from training.formats.reading import LONGEST_KEY
from training.formats.record import NAMES, Record, check_keys, normal
from training.formats.response_list import ORDERS, RANKS, SCORES, SOURCES, list_in
from training.formats.sides import sides_in

OWN_RESPONSE = frozenset(("id", "text", "source"))
OWN_STATE = OF_A_RANKING | OF_A_PROMPT
OWN = frozenset(("prompt", "id", "responses", "ranking", "unranked", "labeller")) | OWN_STATE
KNOWN = {name for names in (*NAMES.values(), RANKS, SCORES, ORDERS, SOURCES) for name in names}


def shape_of(record: Record) -> str | None:
    """Return the shape of a record by its keys, or None where it is not known."""
    if label_studio.is_task(record):
        return "labelstudio"
    if argilla.is_record(record):
        return "argilla"
    if oasst.is_tree(record) or oasst.is_message(record):
        return "oasst"
    if record.given.get("response"):
        return "long"
    if keys_of_pair(record) is not None:
        return "trl"
    has_prompt = record.key("prompt") is not None or record.key("conversation") is not None
    if has_prompt and list_in(record) is not None:
        return "jsonl"
    if has_prompt and columns_best_first(record):
        return "csv"
    if len(sides_in(record)) > 1:
        return "sides"
    if has_prompt and record.key("response") is not None:
        return "long"
    return "jsonl" if has_prompt else None


def is_flat(data: Mapping[str, Any]) -> bool:
    """Return True for a message of Open Assistant's that stands in a line of its own."""
    return "parent_id" in data and "prompt" not in data


def is_own(data: Mapping[str, Any]) -> bool:
    """Return True for an object of ranking JSONL as Podium writes it, which is read as it is."""
    responses, ranking, prompt = data.get("responses"), data.get("ranking"), data.get("prompt")
    return (
        not any(is_known(key) for key in data.keys() - OWN if len(key) <= LONGEST_KEY)
        and isinstance(responses, list)
        and all(isinstance(r, dict) and r.keys() <= OWN_RESPONSE for r in responses)
        and (ranking is None or (isinstance(ranking, list) and all(map(is_list, ranking))))
        and (
            (isinstance(prompt, str) and (not is_transcript(prompt) or is_exported(data)))
            or (isinstance(prompt, list) and all(map(is_plain, prompt)))
        )
    )


@lru_cache(maxsize=4096)
def is_known(key: str) -> bool:
    """Return True for a key that is known as a field or as part of one."""
    return normal(key) in KNOWN


def has_few(data: Mapping[str, Any]) -> bool:
    """Return True unless a record has more keys than any ranking."""
    try:
        check_keys(data)
    except ValueError:
        return False
    return True


def is_list(value: Any) -> bool:
    return isinstance(value, list)


def is_exported(data: Mapping[str, Any]) -> bool:
    """Return True for a line of an export of Podium's, whose prompt is not taken apart."""
    return isinstance(data.get("responses"), list) and ("origin" in data or "wanted" in data)


def is_plain(message: Any) -> bool:
    """Return True for a message that needs no conversion."""
    return (
        isinstance(message, dict)
        and message.keys() == {"role", "content"}
        and message["role"] in ("user", "assistant", "system", "tool")
        and isinstance(message["content"], str)
    )
