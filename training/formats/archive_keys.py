"""Check the keys of an archive's lines beyond the ranking itself.

They are a ranking's version, origin, times, notes and ratings; a prompt's place in the queue, its
tasks, and the comments on it. docs/data-format.md describes the keys. Each is optional, and a file
made elsewhere has none of them. Standard library only: the web imports this file.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from training.formats.checked_values import (
    duration,
    id_text,
    is_storable,
    moment,
    objects,
    one_of,
    optional_name,
    storable,
    texts_of,
    truth,
    whole,
    written,
)
from training.sentences import plural_sentence, sentence

MAX_ID = 500
MAX_NAME = 150
MIN_RANKED = 2  # rankings made elsewhere may have fewer responses than a labeller is shown
MAX_RANKED = 9
MAX_SMALL = 2**15 - 1  # what a database holds of the rankings wanted
MAX_VERSION = 10_000  # far below that: another version must find room
MAX_PRIORITY = 2**31 - 1
MAX_SCORE = 7
MAX_TAG = 100  # characters
MAX_TAGS = 100  # of a prompt
MAX_METADATA = 100_000  # characters of JSON

ORIGINS = ("here", "imported", "adjudicated", "repeated")
CONTROLS = ("gold", "repeat")
SKIP_REASONS = ("cannot judge", "broken", "unsuitable", "other")


@dataclass(frozen=True, slots=True)
class FileRating:
    score: int | None = None
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RankingDetails:
    """Hold the keys of a ranking; those that a line leaves out are None or empty."""

    version: int | None = None
    current: bool = True
    origin: str = "imported"
    surplus: bool = False
    gold: bool = False
    control: str = ""  # the task measured the labeller: gold, or repeat
    created_at: datetime | None = None
    seconds: float | None = None
    shown: tuple[str, ...] = ()  # ids, in the order that the labeller saw
    all_bad: bool = False
    note: str = ""
    ratings: Mapping[str, FileRating] = field(default_factory=dict)  # by id


@dataclass(frozen=True, slots=True)
class FileTask:
    """Hold a task: a labeller ranked its prompt, skipped it, or took the ranking back."""

    labeller: str
    shown: tuple[str, ...]
    created_at: datetime
    seconds: float = 0.0
    control: str = ""
    surplus: bool = False  # ranked beside the rankings that were wanted
    taken_back: bool = False
    submitted_at: datetime | None = None
    skipped_at: datetime | None = None
    reason: str = ""
    note: str = ""

    @property
    def fills_a_slot(self) -> bool:
        """Return True if the task accounts for one of the rankings that the prompt wants."""
        return self.submitted_at is not None and not self.surplus and not self.control


@dataclass(frozen=True, slots=True)
class FileComment:
    by: str
    at: datetime
    text: str


@dataclass(frozen=True, slots=True)
class PromptState:
    """Hold the keys of a prompt; those that a line leaves out are None or empty."""

    wanted: int | None = None
    priority: int = 0
    taken_out: bool = False
    created_at: datetime | None = None
    tasks: tuple[FileTask, ...] = ()
    comments: tuple[FileComment, ...] = ()
    assigned: tuple[str, ...] = ()  # names of people
    reserved: bool = False  # for them alone
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, Any] | None = None

    @property
    def slots(self) -> int:
        return sum(task.fills_a_slot for task in self.tasks)


OF_A_RANKING = frozenset(RankingDetails.__dataclass_fields__)
OF_A_PROMPT = frozenset(PromptState.__dataclass_fields__)


def check_details(data: Mapping[str, Any], ids: Collection[str]) -> RankingDetails | None:
    """Return the keys of a line with a ranking of these ids, or None where it has none of them.

    Raises ValueError with the reason where a key is not what it should be.
    """
    if OF_A_RANKING.isdisjoint(data):
        return None
    origin = one_of(data, "origin", ORIGINS) or "imported"
    version = whole(data, "version", 1, MAX_VERSION)
    details = RankingDetails(
        version=version,
        current=truth(data, "current", default=True),
        origin=origin,
        surplus=truth(data, "surplus"),
        gold=truth(data, "gold"),
        control=one_of(data, "control", CONTROLS),
        created_at=moment(data, "created_at"),
        seconds=duration(data, "seconds"),
        shown=check_shown(data.get("shown"), ids, all_of_them=True),
        all_bad=truth(data, "all_bad"),
        note=written(data, "note"),
        ratings=check_ratings(data.get("ratings"), ids),
    )
    if not details.current and version is None:
        raise ValueError(sentence("is not current and has no version"))
    if origin == "repeated" and details.current:
        raise ValueError(sentence("is a repeated ranking that is marked as current"))
    if details.control and (details.control == "repeat") != (origin == "repeated"):
        raise ValueError(sentence("has the origin repeated or the control repeat, but not both"))
    return details


def check_state(data: Mapping[str, Any], ids: Collection[str]) -> PromptState | None:
    """Return the keys of a line without a ranking, or None where it has none of them.

    `ids` are those of its responses. Raises ValueError with the reason where a key is not what it
    should be.
    """
    if OF_A_PROMPT.isdisjoint(data):
        return None
    state = PromptState(
        wanted=whole(data, "wanted", 0, MAX_SMALL),
        priority=whole(data, "priority", -MAX_PRIORITY, MAX_PRIORITY) or 0,
        taken_out=truth(data, "taken_out"),
        created_at=moment(data, "created_at"),
        tasks=tuple(check_task(task, ids) for task in objects(data, "tasks")),
        comments=tuple(check_comment(comment) for comment in objects(data, "comments")),
        assigned=tuple(
            name for name in dict.fromkeys(texts_of(data.get("assigned"))) if len(name) <= MAX_NAME
        ),
        reserved=data.get("reserved") is True,
        tags=tags_of(data.get("tags")),
        metadata=metadata_of(data.get("metadata")),
    )
    lent = [(task.labeller, task.control == "repeat") for task in state.tasks]
    if len(set(lent)) < len(lent):
        twice = next(labeller for labeller, again in lent if lent.count((labeller, again)) > 1)
        raise ValueError(sentence("has two tasks of %(twice)s", twice=repr(twice)))
    if state.slots > (state.wanted or 0):
        raise ValueError(
            sentence(
                "wants %(wanted)s and has %(tasks)s with one; "
                "raise wanted, or mark the others as surplus",
                wanted=plural_sentence(
                    "%(count)s ranking", "%(count)s rankings", state.wanted or 0
                ),
                tasks=plural_sentence("%(count)s task", "%(count)s tasks", state.slots),
            )
        )
    return state


def check_labels(data: Mapping[str, Any]) -> PromptState | None:
    """Return the tags and metadata of a line with a ranking, or None where it has none."""
    tags, metadata = tags_of(data.get("tags")), metadata_of(data.get("metadata"))
    return PromptState(tags=tags, metadata=metadata) if tags or metadata else None


TASKS_LABELLER, COMMENTS_AUTHOR = sentence("task's labeller"), sentence("comment's author")
A_FLAG = sentence("a flag")


def check_task(task: Mapping[str, Any], ids: Collection[str]) -> FileTask:
    labeller = optional_name(task.get("labeller"), TASKS_LABELLER, MAX_NAME)
    shown = check_shown(task.get("shown"), ids, all_of_them=False)
    created_at = moment(task, "created_at")
    if labeller is None or not shown or created_at is None:
        raise ValueError(sentence("has a task without its labeller, what was shown, or created_at"))
    found = FileTask(
        labeller=labeller,
        shown=shown,
        created_at=created_at,
        seconds=duration(task, "seconds") or 0.0,
        control=one_of(task, "control", CONTROLS),
        surplus=truth(task, "surplus"),
        taken_back=truth(task, "taken_back"),
        submitted_at=moment(task, "submitted_at"),
        skipped_at=moment(task, "skipped_at"),
        reason=one_of(task, "reason", SKIP_REASONS),
        note=written(task, "note"),
    )
    if found.skipped_at is not None and (found.submitted_at is not None or not found.reason):
        raise ValueError(
            sentence(
                "has a task of %(labeller)s that is skipped and ranked, or has no reason",
                labeller=repr(labeller),
            )
        )
    return found


def check_comment(comment: Mapping[str, Any]) -> FileComment:
    by = optional_name(comment.get("by"), COMMENTS_AUTHOR, MAX_NAME)
    at, text = moment(comment, "at"), written(comment, "text")
    if by is None or at is None or not text:
        raise ValueError(sentence("has a comment without by, at or text"))
    return FileComment(by, at, text)


def check_shown(value: Any, ids: Collection[str], *, all_of_them: bool) -> tuple[str, ...]:
    """Return the ids in the order in which they were shown; empty where there is none."""
    if value is None:
        return ()
    if not isinstance(value, list):
        raise ValueError(sentence("has a shown that is not a list of ids"))
    shown = [id_text(id_) for id_ in value]
    known = all(isinstance(id_, str) and id_ in ids for id_ in shown)
    if not known or len(set(shown)) < len(shown) or (all_of_them and len(shown) < len(ids)):
        raise ValueError(
            sentence("has a shown that does not name each of its responses once")
            if all_of_them
            else sentence("has a shown that does not name some of its responses once")
        )
    if not MIN_RANKED <= len(shown) <= MAX_RANKED:
        raise ValueError(
            plural_sentence(
                "has %(count)s response shown; %(least)s to %(most)s can be",
                "has %(count)s responses shown; %(least)s to %(most)s can be",
                len(shown),
                least=MIN_RANKED,
                most=MAX_RANKED,
            )
        )
    return tuple(shown)


def check_ratings(value: Any, ids: Collection[str]) -> dict[str, FileRating]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ValueError(sentence("has ratings that are not an object with an entry for an id"))
    ratings = {}
    for id_, rating in value.items():
        if id_ not in ids:
            raise ValueError(
                sentence("has a rating for %(id)s, which is not among its responses", id=repr(id_))
            )
        if not isinstance(rating, dict):
            raise ValueError(
                sentence("has a rating for %(id)s that is not an object", id=repr(id_))
            )
        flags = rating.get("flags") or []
        if not isinstance(flags, list) or not all(isinstance(flag, str) for flag in flags):
            raise ValueError(
                sentence("has flags for %(id)s that are not a list of texts", id=repr(id_))
            )
        ratings[id_] = FileRating(
            whole(rating, "score", 1, MAX_SCORE), tuple(storable(flag, A_FLAG) for flag in flags)
        )
    return ratings


# ---- what files made elsewhere may hold in other ways, which is then not read ----


def tags_of(value: Any) -> tuple[str, ...]:
    """Return the tags in a text or in a list of texts, each of which may have several with commas.

    Tags that are too long are left.
    """
    texts = texts_of([value] if isinstance(value, str) else value)
    found = (" ".join(tag.split()) for text in texts for tag in text.split(","))
    tags = (tag for tag in dict.fromkeys(found) if tag and len(tag) <= MAX_TAG)
    return tuple(tags)[:MAX_TAGS]


def metadata_of(value: Any) -> dict[str, Any] | None:
    """Return an object that a database can store, unless it is empty."""
    if not isinstance(value, dict) or not value:
        return None
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (ValueError, RecursionError):
        return None
    is_kept = len(text) <= MAX_METADATA and "\\u0000" not in text and is_storable(text)
    return value if is_kept else None
