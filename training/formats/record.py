"""Find fields in a record by the names that people use, and count what was not read.

A record is an object of JSON, or a row of a table by the names of its columns. Standard library
only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from training.formats.reading import UNNAMED, Reading
from training.formats.values import blank
from training.sentences import sentence

MOST_KEYS, MOST_CHARACTERS = 1000, 10_000  # of a record's keys
LABELLERS = (
    "labeller", "labeler", "annotator", "rater", "worker", "judge", "reviewer", "evaluator",
    "assessor", "voter", "participant", "crowdworker", "user", "completed_by", "annotated_by",
    "labelled_by", "labeled_by", "ranked_by", "created_by",
)  # fmt: skip
# What people call each field, the likeliest first. Spaces, signs and capitals do not matter.
NAMES: dict[str, tuple[str, ...]] = {
    "prompt": (
        "prompt", "instruction", "question", "query", "user_prompt", "user_query", "user_message",
        "user_input", "prompt_text", "prompt_messages", "instructions", "request", "post",
    ),
    "conversation": (
        "conversation", "conversations", "messages", "chat", "dialogue", "dialog", "context",
        "history", "input", "inputs", "info", "source_text", "article", "document", "title", "text",
    ),
    "system": ("system", "system_prompt", "system_message", "system_instruction"),
    "history": ("history", "chat_history", "conversation_history", "previous_turns"),
    "input": ("input", "instruction_input"),
    "context": ("context", "passage", "background"),
    "prompt_id": (
        "prompt_id", "question_id", "instruction_id", "query_id", "post_id", "conversation_id",
        "conversation_hash",
    ),
    "row_id": ("id", "uid", "uuid", "example_id", "sample_id", "record_id", "row_id", "task_id"),
    "response": (
        "response", "completion", "answer", "output", "generation", "reply", "model_output",
        "model_response", "assistant_response", "response_text", "answer_text", "candidate",
        "summary", "translation",
    ),
    "text": (
        "text", "response", "answer", "completion", "output", "content", "body", "generation",
        "reply", "message", "value", "summary", "translation", "generated_text", "response_text",
    ),
    "response_id": ("response_id", "completion_id", "answer_id"),
    "id": ("id", "response_id", "completion_id", "answer_id", "key", "uid"),
    "source": (
        "model", "model_name", "model_id", "generator", "generation_model", "policy", "source",
        "system_name", "engine",
    ),
    "rank": ("rank", "human_rank", "response_rank", "ranking"),
    "score": (
        "score", "overall_score", "human_score", "rating", "overall_rating", "human_rating",
        "reward", "pm_score", "overall", "helpfulness", "quality", "votes", "upvotes",
        "label",
    ),
    "labeller": tuple(name + end for end in ("", "_id", "_name", "_email") for name in LABELLERS),
    "created_at": (
        "created_at", "timestamp", "tstamp", "annotated_at", "submitted_at", "updated_at", "date",
        "time", "created", "datetime",
    ),
    "seconds": ("seconds", "lead_time", "duration", "duration_seconds", "time_spent", "elapsed"),
    "note": (
        "note", "notes", "comment", "comments", "justification", "rationale", "explanation",
    ),
    "verdict": (
        "winner", "verdict", "preference", "preferred", "preferred_response", "preferred_answer",
        "preferred_model",
        "winner_model", "winning_model", "better_model", "best_model", "human_preference",
        "overall_preference", "preference_strength", "strength", "choice", "chosen", "selected",
        "better", "better_response", "better_response_id", "best", "vote", "judgement", "judgment",
        "decision", "label", "labels", "pairwise", "result",
    ),
    "ranking": ("ranking_id", "group_id", "group"),
}  # fmt: skip


@lru_cache(maxsize=4096)
def normal(name: str) -> str:
    """Return a name in lower case, with one underscore for each run of other characters."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name.strip())
    return re.sub(r"[\W_]+", "_", spaced.lower()).strip("_")


@lru_cache(maxsize=512)
def normals(keys: tuple[str, ...]) -> dict[str, str]:
    """Return the key of each normal name; of keys that are alike the first."""
    return {normal(key): key for key in reversed(keys)}


@lru_cache(maxsize=2048)
def keys_named(keys: tuple[str, ...], names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the keys that have one of these names, in the order of the names."""
    called = normals(keys)
    return tuple(called[name] for name in names if name in called)


def check_keys(data: Mapping[str, Any]) -> None:
    """Raise ValueError for more names than a record of rankings has: they are kept in caches."""
    if len(data) > MOST_KEYS or sum(map(len, data)) > MOST_CHARACTERS:
        raise ValueError(
            sentence("has %(count)s keys, or very long ones; a ranking has few", count=len(data))
        )


def listed(names: Sequence[str]) -> str:
    """Return names for a message: the first twelve, and how many more there are."""
    first = ", ".join(names[:12])
    if len(names) <= 12:
        return first
    return sentence("%(names)s and %(count)s more", names=first, count=len(names) - 12)


class Record:
    """Hold a record, and remember which of its keys were read. Raises ValueError for very many.

    `given` names the key of a field, and "" for a field that is not to be read.
    """

    __slots__ = ("data", "given", "names", "path", "reading", "used")

    def __init__(
        self,
        data: Mapping[str, Any],
        reading: Reading,
        given: Mapping[str, str] | None = None,
        path: str = "",
    ) -> None:
        check_keys(data)
        self.data = data
        self.reading = reading
        self.path = path
        self.given = given or {}
        self.names = normals(tuple(data))
        if self.given:
            claimed = set(self.given.values())
            self.names = {name: key for name, key in self.names.items() if key not in claimed}
        self.used: set[str] = set()

    def key(self, field: str, names: Iterable[str] | None = None) -> str | None:
        """Return the key in which a field stands and that holds something, or None."""
        if field in self.given:
            key = self.given[field]
            return key if key and not blank(self.data.get(key)) else None
        for key in self.candidates(NAMES[field] if names is None else tuple(names)):
            if key not in self.used and not blank(self.data[key]):
                return key
        return None

    def candidates(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Return the keys that have one of these names, in the order of the names."""
        if self.given:
            return tuple(self.names[name] for name in names if name in self.names)
        return keys_named(tuple(self.data), names)

    def take(self, field: str, names: Iterable[str] | None = None) -> Any:
        """Return the value of a field and mark its key as read, or None."""
        key = self.key(field, names)
        return None if key is None else self.read(key, field)

    def read(self, key: str, field: str) -> Any:
        """Return the value of a key, and mark it as read for a field."""
        self.used.add(key)
        self.reading.fields[field][self.path + key] += 1
        return self.data[key]

    def leave(self) -> None:
        """Count the keys that hold something and were not read."""
        for key, value in self.data.items():
            if key not in self.used and not blank(value) and value != [] and value != {}:
                self.reading.leave(self.path + key or UNNAMED)

    def keys(self) -> str:
        """Return the keys for a message."""
        return listed([repr(key) for key in self.data if key not in self.used])
