"""Read pairs of a better and a worse response as the objects of ranking JSONL: rankings of two.

They are TRL's preference pairs (https://huggingface.co/docs/trl/dataset_formats#preference) under
all names that people give them. Pairs are texts or conversations, with an explicit prompt or one
with which both begin. Standard library only.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from training.formats.conversation import (
    Messages,
    is_message,
    is_transcript,
    messages_in,
    messages_of,
    prompt_of,
    response_text,
    transcript,
)
from training.formats.record import Record
from training.sentences import sentence

WORDS = (
    ("chosen", "rejected"), ("preferred", "dispreferred"), ("preferred", "rejected"),
    ("preferred", "non_preferred"), ("preferred", "nonpreferred"), ("preferred", "unpreferred"),
    ("accepted", "rejected"), ("winner", "loser"), ("winning", "losing"), ("win", "lose"),
    ("positive", "negative"), ("pos", "neg"), ("good", "bad"), ("better", "worse"),
    ("selected", "rejected"), ("selected", "unselected"), ("w", "l"),
)  # fmt: skip
NOUNS = (
    "response", "responses", "answer", "output", "completion", "text", "message", "messages",
    "reply", "generation", "summary", "translation", "conversation", "y",
)  # fmt: skip
PAIRS: list[tuple[str, str]] = [
    *((better, worse) for better, worse in WORDS if len(better) > 1),
    *((f"{better}_{noun}", f"{worse}_{noun}") for noun in NOUNS for better, worse in WORDS),
    *((f"{noun}_{better}", f"{noun}_{worse}") for noun in NOUNS for better, worse in WORDS),
    ("response_j", "response_k"),  # of lvwerra/stack-exchange-paired
]  # fmt: skip


def keys_of_pair(record: Record) -> tuple[str, str] | None:
    """Return the keys of the better and the worse response, or None."""
    given = record.given.get("chosen"), record.given.get("rejected")
    if given[0] and given[1]:
        return given[0], given[1]
    names = first_pair(frozenset(record.names))
    return None if names is None else (record.names[names[0]], record.names[names[1]])


@lru_cache(maxsize=512)
def first_pair(names: frozenset[str]) -> tuple[str, str] | None:
    """Return the first of PAIRS whose names are both among these, or None."""
    return next((pair for pair in PAIRS if names.issuperset(pair)), None)


def read_pair(record: Record, keys: tuple[str, str]) -> dict[str, Any]:
    """Return a pair as an object of ranking JSONL. Raises ValueError that says what is wrong."""
    better, worse = (messages_in(record.read(key, name))
                     for key, name in zip(keys, ("better", "worse"), strict=True))  # fmt: skip
    if is_best_of_many(better) and is_best_of_many(worse):
        return best_of_many(record, better, worse)
    prompt, chosen, rejected = split(record, better, worse)
    sources = [record.take("source", source_names(key)) for key in keys]
    return {
        "prompt": prompt,
        "responses": [
            {"id": "chosen", "text": chosen, "source": sources[0]},
            {"id": "rejected", "text": rejected, "source": sources[1]},
        ],
        "ranking": [["chosen"], ["rejected"]],
    }


def source_names(key: str) -> list[str]:
    """Return the names of the key that says which model wrote a response."""
    side = re.sub(r"(?i)[\W_]*(response|answer|output|completion)[\W_]*", "", key).lower()
    return [f"{side}_model", f"{side}_source", f"model_{side}", f"source_{side}",
            f"{side}_model_name", f"{key.lower()}_model", f"{side}_policy"]  # fmt: skip


def is_best_of_many(value: Any) -> bool:
    """Return True for a list of texts, of which each is a response."""
    return isinstance(value, list) and bool(value) and all(isinstance(t, str) for t in value)


def best_of_many(record: Record, better: list[str], worse: list[str]) -> dict[str, Any]:
    """Return a ranking of several good responses above several bad ones."""
    responses = [
        {"id": f"{name} {place}", "text": text}
        for name, texts in (("chosen", better), ("rejected", worse))
        for place, text in enumerate(texts, start=1)
    ]
    ids = [response["id"] for response in responses]
    record.reading.notes[sentence("pairs of lists: all of the first above all of the second")] += 1
    return {
        "prompt": prompt_of(record),
        "responses": responses,
        "ranking": [ids[: len(better)], ids[len(better) :]],
    }


def split(record: Record, chosen: Any, rejected: Any) -> tuple[Any, str, str]:
    """Return the prompt, the chosen and the rejected response of a pair."""
    if isinstance(chosen, list) and isinstance(rejected, list):
        return split_conversations(record, chosen, rejected)
    texts = isinstance(chosen, str) and isinstance(rejected, str)
    if not texts and (is_message(chosen) != is_message(rejected)):
        raise ValueError(
            sentence("has no chosen and rejected: two texts, or two lists of messages")
        )
    prompt = prompt_of(record, required=False)
    only_system = bool(prompt) and prompt[-1]["role"] == "system"
    if texts and (not prompt or only_system):
        shared, *rest = split_texts(record, chosen, rejected)
        return [*prompt, *shared], rest[0], rest[1]
    first, second = (
        response_text(value, record, name)
        for value, name in ((chosen, "chosen"), (rejected, "rejected"))
    )
    return prompt, *without_prompt(record, prompt, first, second)


def without_prompt(record: Record, prompt: Messages, chosen: str, rejected: str) -> tuple[str, str]:
    """Return both responses without the prompt's text where both begin with it."""
    asked = prompt[-1]["content"]
    rest = [text.removeprefix(asked) for text in (chosen, rejected)]
    if (
        asked.strip()
        and all(r.strip() for r in rest)
        and len(rest[0]) < len(chosen)
        and len(rest[1]) < len(rejected)
    ):
        record.reading.notes[sentence("responses that repeated the prompt at their beginning")] += 1
        return rest[0].lstrip(), rest[1].lstrip()
    return chosen, rejected


def split_texts(record: Record, chosen: str, rejected: str) -> tuple[Messages, str, str]:
    """Split two texts that begin with the same prompt: transcripts, or any other texts."""
    if is_transcript(chosen) and is_transcript(rejected):
        record.reading.notes[sentence("transcripts were split into messages")] += 1
        return divided(transcript(chosen), transcript(rejected), record)
    if others := unread_texts(record):
        raise ValueError(
            sentence("has no key that is known as the prompt; not read: %(others)s", others=others)
        )
    length = 0
    for one, other in zip(chosen, rejected, strict=False):
        if one != other:
            break
        length += 1
    # No word is cut in two: the responses begin with the word in which they differ.
    shared = re.match(r"(?s).*\s", chosen[:length])
    if shared is None or not shared[0].strip():
        raise ValueError(
            sentence("has no prompt, and chosen and rejected do not begin with the same one")
        )
    length = shared.end()
    record.reading.notes[
        sentence("prompts taken from the words with which both responses begin")
    ] += 1
    asked = [{"role": "user", "content": chosen[:length].rstrip()}]
    return asked, chosen[length:], rejected[length:]


def unread_texts(record: Record) -> str:
    """Return the keys that hold texts and were not read, any of which may be the prompt."""
    return ", ".join(
        repr(key)
        for key, value in record.data.items()
        if key not in record.used and isinstance(value, str | list | dict) and value
        and not re.search(r"(?i)(^|_)(id|uuid|model|source|name|score|label|rating|subset|split|"
                          r"lang|language|url|date|time)s?$", key)
        and not is_name(record, key)
    )  # fmt: skip


def is_name(record: Record, key: str) -> bool:
    """Return True if a key is known as something that is no prompt."""
    return key in {
        record.key(field) for field in ("labeller", "source", "row_id", "prompt_id", "created_at")
    }


def split_conversations(
    record: Record, chosen: list[Any], rejected: list[Any]
) -> tuple[Messages, str, str]:
    """Split two lists of messages, which may begin with the prompt."""
    both = [messages_of(side, record) if all(map(is_message, side)) else None
            for side in (chosen, rejected)]  # fmt: skip
    if both[0] is None or both[1] is None:
        prompt = prompt_of(record)
        return (
            prompt,
            response_text(chosen, record, "chosen"),
            response_text(rejected, record, "rejected"),
        )
    shared, *rest = divided(both[0], both[1], record)
    # What stands beside two whole conversations is the prompt only under a name of its own.
    asked = [] if shared and record.key("prompt") is None else prompt_of(record, required=False)
    return joined(asked, shared), rest[0], rest[1]


def joined(asked: Messages, shared: Messages) -> Messages:
    """Return an explicit prompt and what both conversations share, which may hold it as well."""
    if not asked:
        return shared
    system = [message for message in asked if message["role"] == "system"]
    for part in (asked, asked[len(system) :]):
        if part in (shared[: len(part)], shared[-len(part) :]):
            return shared if part is asked else [*system, *shared]
    return asked + shared


def divided(chosen: Messages, rejected: Messages, record: Record) -> tuple[Messages, str, str]:
    """Return the messages that two conversations share, and the response of each."""
    length = 0
    for one, other in zip(chosen[:-1], rejected[:-1], strict=False):
        if one != other:
            break
        length += 1
    return (
        chosen[:length],
        last(chosen[length:], "chosen", record),
        last(rejected[length:], "rejected", record),
    )


def last(messages: Messages, name: str, record: Record) -> str:
    """Return the single message of the assistant that is the response."""
    if len(messages) != 1:
        raise ValueError(
            sentence(
                "has a %(name)s of %(count)s messages beyond what both share; a response is one",
                name=name,
                count=str(len(messages)),
            )
        )
    return response_text(messages[0], record, name)
