"""Read responses that stand side by side, numbered or lettered, with a verdict or with scores.

`response_a`, `response_b` and `winner` are such keys, and so are `answer_0`, `score_0` and their
like. Standard library only.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from training.formats.conversation import (
    Messages,
    is_message,
    messages_in,
    messages_of,
    prompt_of,
    response_text,
)
from training.formats.pairs import divided
from training.formats.record import Record, normal
from training.formats.values import blank, groups_of, rank_of, score_of, text, unfolded
from training.formats.verdicts import Side, Verdicts, by_verdict, by_winner_columns, ranked
from training.sentences import sentence

STEMS = (
    "response", "answer", "completion", "output", "generation", "reply", "candidate", "summary",
    "translation", "conversation", "human_ref", "ref", "model_output", "model_response",
    "assistant", "option", "text", "generated_text", "choice", "hypothesis",
)  # fmt: skip
SIDE = re.compile(
    rf"(?P<stem>{'|'.join(sorted(STEMS, key=len, reverse=True))})_?(?P<side>[a-i]|\d{{1,2}})$"
    rf"|(?:model_|system_)?(?P<first>[a-i]|\d{{1,2}})_(?P<last>{'|'.join(STEMS)})$"
)


@lru_cache(maxsize=512)
def sides_of(names: tuple[tuple[str, str], ...]) -> tuple[Side, ...]:
    """Return the keys that hold responses side by side, given normal names and their keys."""
    found: dict[str, list[Side]] = {}
    for name, key in names:
        if match := SIDE.match(name):
            stem = match["stem"] or match["last"]
            found.setdefault(stem, []).append(Side(key, match["side"] or match["first"]))
    for stem in STEMS:
        if len(sides := found.get(stem, [])) > 1:
            return tuple(sorted(sides, key=lambda side: (len(side.name), side.name)))
    return ()


def sides_in(record: Record) -> list[Side]:
    """Return the responses of a record that hold something, in the order of their names."""
    sides = sides_of(tuple(record.names.items()))
    return [side for side in sides if not blank(record.data[side.key])]


def read_sides(
    record: Record, sides: Sequence[Side], verdicts: Verdicts, *, highest_first: bool
) -> dict[str, Any]:
    """Return a record as an object of ranking JSONL, ranked by its verdict, ranks or scores.

    Raises ValueError that says what is wrong, and AmbiguousError where what a verdict says is not
    certain.
    """
    values = [messages_in(record.read(side.key, "response")) for side in sides]
    prompt, texts = divided_sides(record, values)
    ids = [side.key for side in sides]
    sources = [record.take("source", names_for("source", side)) for side in sides]
    ranking = (
        by_verdict(record, sides, texts, [text(s) for s in sources], verdicts)
        or by_winner_columns(record, sides)
        or by_numbers(record, sides, highest_first=highest_first)
    )
    return {
        "prompt": prompt,
        "responses": [
            {"id": id_, "text": said, "source": text(source)}
            for id_, said, source in zip(ids, texts, sources, strict=True)
        ],
        **(ranking or {}),
    }


def names_for(what: str, side: Side) -> list[str]:
    """Return the names under which something is given for a side."""
    words = {"source": ("model", "source", "generator", "policy", "model_name", "system"),
             "score": ("score", "rating", "reward", "upvotes", "votes", "overall_score"),
             "rank": ("rank",)}[what]  # fmt: skip
    key, name = normal(side.key), side.name
    return [
        form
        for word in words
        for form in (f"{word}_{name}", f"{word}{name}", f"{name}_{word}", f"{key}_{word}",
                     f"{word}_{key}")
    ]  # fmt: skip


def divided_sides(record: Record, values: list[Any]) -> tuple[Messages, list[str]]:
    """Return the prompt and the text of each response."""
    conversations = [
        messages_of(value, record)
        if isinstance(value, list) and value and all(map(is_message, value))
        else None
        for value in values
    ]
    whole = [c for c in conversations if c is not None]
    if len(whole) == len(values) and all(len(c) > 1 for c in whole):
        parts = [divided(c, whole[i - 1] if i else whole[1], record) for i, c in enumerate(whole)]
        shared = min((part[0] for part in parts), key=len)
        asked = prompt_of(record, required=False) if record.key("prompt") else []
        return (shared or asked), [part[1] for part in parts]
    if (battle := turns_of_lists(record, values)) is not None:
        return battle
    names = (
        sentence("response %(place)s", place=str(place)) for place in range(1, len(values) + 1)
    )
    prompt = prompt_of(record)
    return prompt, [response_text(v, record, n) for v, n in zip(values, names, strict=True)]


def turns_of_lists(record: Record, values: list[Any]) -> tuple[Messages, list[str]] | None:
    """Return prompt and responses of a battle that gives each turn as an item of a JSON list."""
    key = record.key("prompt")
    asked = None if key is None else unfolded(record.data[key])
    answers = [unfolded(value) for value in values]
    if (
        key is None
        or not isinstance(asked, list)
        or not all(
            isinstance(side, list) and side and all(isinstance(t, str) or t is None for t in side)
            for side in (asked, *answers)
        )
    ):
        return None
    record.read(key, "prompt")
    before = [answer[: len(asked) - 1] for answer in answers]
    if any(turns != before[0] for turns in before) or {len(a) for a in answers} != {len(asked)}:
        raise ValueError(
            sentence(
                "has %(count)s turns in which the responses differ; a response is one",
                count=str(len(asked)),
            )
        )
    messages: Messages = []
    for place, question in enumerate(asked):
        messages.append({"role": "user", "content": question or ""})
        if place < len(asked) - 1:
            messages.append({"role": "assistant", "content": before[0][place] or ""})
    record.reading.notes[sentence("texts taken from lists with one item a turn")] += 1
    return messages, [answer[-1] or "" for answer in answers]


def by_numbers(
    record: Record, sides: Sequence[Side], *, highest_first: bool
) -> dict[str, Any] | None:
    """Return the ranking by a rank or a score for each side, or None where there are none."""
    for what, convert in (("rank", rank_of), ("score", score_of)):
        keys = [record.key(what, names_for(what, side)) for side in sides]
        if None in keys:
            continue
        numbers = [convert(record.read(str(key), what)) for key in keys]
        groups, without = groups_of(
            [side.key for side in sides],
            numbers,
            highest_first=what == "score" and highest_first,
        )
        if groups:
            return ranked(groups, without, record.reading)
    return None
