"""Put the rows of a long table together to rankings."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from training.formats.conversation import prompt_of
from training.formats.lines import LONGEST, MAX_LINE_BYTES, Found
from training.formats.reading import Reading
from training.formats.record import Record
from training.formats.values import (
    blank,
    groups_of,
    number_of,
    parsed,
    rank_of,
    score_of,
    text,
    time_of,
    truth,
    whole,
)
from training.formats.verdicts import ranked
from training.sentences import sentence

FIELDS = {
    "ranking": "what is the same in all rows of a ranking, and another for the next",
    "prompt": "the prompt, as a text",
    "conversation": "the prompt as messages: a JSON list of objects with role and content",
    "system": "the system message before the prompt",
    "history": "the turns before the prompt, as JSON",
    "input": "what an instruction is about, put below it",
    "context": "a passage that a question is about, put above it",
    "prompt_id": "your own id for the prompt",
    "response": "the response, as a text",
    "response_id": "the response's id within the ranking",
    "source": "the model that wrote the response",
    "rank": "the response's rank: the lowest number is the best, equal ones are ties",
    "score": "the response's score: the highest is the best, unless there are ranks",
    "labeller": "who ranked",
    "version": "the ranking's number among the versions of the verdict",
    "current": "whether it is the last of them",
    "origin": "where the ranking was made",
    "surplus": "whether it came after its prompt had been handed on",
    "created_at": "when it was made: ISO 8601",
    "seconds": "time at work on it",
    "all_bad": "whether the labeller found even the best response not acceptable",
    "note": "what the labeller wrote",
    "place_shown": "where the response stood when it was shown, from 1",
    "flags": "the labeller's flags for the response: a JSON list of names",
}
LIST_OF_FLAGS = sentence("list of flags")
OF_RESPONSE = {"response", "response_id", "source", "rank", "place_shown", "score", "flags"}
OF_RANKING = [name for name in FIELDS if name not in OF_RESPONSE]
OF_PROMPT = ("system", "history", "conversation", "prompt", "input", "context")
# Fields that a table from elsewhere may give row by row; where rows differ they are left out.
SOFT = ("created_at", "seconds", "note")
# Apostrophes before what a spreadsheet would run: our export puts one there, which is taken away.
DEFUSED = re.compile(r"^'(?='*[=+\-@＝＋－＠\t\r\n])")
MAX_ROWS = 1000  # of a ranking; the bound keeps memory bounded
REMEMBERED = 10_000  # rankings in whose place another row of theirs is still recognised


@dataclass
class Group:
    """Collect consecutive rows of a ranking."""

    key: Any
    number: int  # of the first row's line
    rows: list[dict[str, Any]] = field(default_factory=list)
    problem: str = ""
    characters: int = 0

    def add(self, row: dict[str, Any]) -> None:
        """Keep a row, unless the ranking is too large to be one."""
        self.characters += sum(len(value) for value in row.values() if isinstance(value, str))
        if len(self.rows) == MAX_ROWS:
            self.problem = sentence("has more than %(most)s rows", most=MAX_ROWS)
        elif self.characters > MAX_LINE_BYTES:
            self.problem = sentence("is longer than %(longest)s", longest=LONGEST)
            self.rows.clear()
        else:
            self.rows.append(row)


def gathered(rows: Iterable[Found], fields: Iterable[str], assembler: Assembler) -> Iterator[Found]:
    """Yield an object of ranking JSONL for each group of rows, given by field.

    A row that cannot be read may belong to the ranking before it or to the next one, so that
    neither is taken as complete.
    """
    named = set(fields)
    recent: dict[int, int] = {}  # hash of a key -> its line; bounded
    group: Group | None = None
    unread: list[Found] = []  # since the group's last row
    lost = 0  # the line of a row that might be of the group that comes next

    def closed() -> Iterator[Found]:
        if group is not None:
            yield group.number, assembled(group, recent, assembler)
        yield from unread
        unread.clear()

    for number, row in rows:
        key = row if isinstance(row, ValueError) else key_of(row, named)
        if isinstance(key, ValueError):
            unread.append((number, key))
            lost = number
            if group is not None:
                group.problem = group.problem or lacking(number)
            if group is None or len(unread) >= MAX_ROWS:
                yield from closed()
                group = None
            continue
        if group is None or key != group.key:
            yield from closed()
            group = Group(key, number, problem=lacking(lost) if lost else "")
        lost = 0
        group.add(row)
    yield from closed()


def lacking(number: int) -> str:
    return sentence("may lack the row of line %(line)s, which cannot be read", line=str(number))


def key_of(row: Mapping[str, Any], fields: set[str]) -> Any:
    """Return the key that the rows of a ranking share, or a ValueError where a row has none."""
    if "ranking" in fields:
        key = row["ranking"]
        return (
            ValueError(sentence("does not say to which ranking it belongs"))
            if blank(key)
            else str(key)
        )
    if "prompt_id" in fields and not blank(row["prompt_id"]):
        prompt: Any = row["prompt_id"]
    else:
        prompt = [row[name] for name in OF_PROMPT if name in fields]
    return (json.dumps(prompt, default=str), str(row.get("labeller") or ""))


def assembled(group: Group, recent: dict[int, int], assembler: Assembler) -> Any:
    """Return the group as an object of ranking JSONL, or a ValueError that says what is wrong."""
    first = recent.setdefault(hash(group.key), group.number)
    if len(recent) > REMEMBERED:
        del recent[next(iter(recent))]
    if group.problem:
        return ValueError(group.problem)
    if first != group.number:
        return ValueError(
            sentence(
                "is of the ranking of line %(first)s, and others stand between them: "
                "the rows of a ranking stand together",
                first=str(first),
            )
        )
    try:
        return assembler.ranking(group.rows)
    except ValueError as error:
        return error


@dataclass
class Assembler:
    """Make objects of ranking JSONL from rows, of an export of Podium (`ours`) or of others."""

    reading: Reading
    ours: bool
    highest_first: bool

    def ranking(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Return the rows of a ranking as an object of ranking JSONL. Raises ValueError."""
        common = {name: self.common(rows, name) for name in OF_RANKING}
        ids = [text(row.get("response_id")) or str(place) for place, row in enumerate(rows)]
        data: dict[str, Any] = {
            "prompt": self.prompt(common),
            "id": common["prompt_id"],
            "responses": [
                {"id": id_, "text": row["response"], "source": text(row.get("source"))}
                for id_, row in zip(ids, rows, strict=True)
            ],
            "labeller": text(common["labeller"]),
        }
        ranking = self.groups(rows, ids)
        if ranking is None:
            return data
        return data | ranking | self.circumstances(common) | self.seen(rows, ids)

    def common(self, rows: Sequence[Mapping[str, Any]], name: str) -> Any:
        """Return the value that the rows share in a column; empty cells agree with any."""
        try:
            return shared(rows, name)
        except ValueError:
            if self.ours or name not in SOFT:
                raise
            note = sentence(
                "rankings whose rows differ in their %(field)s, which was left out", field=name
            )
            self.reading.notes[note] += 1
            return None

    def prompt(self, common: Mapping[str, Any]) -> Any:
        """Return the prompt of a ranking, put together from its columns."""
        if self.ours:
            return parsed(common["conversation"], "conversation") or common["prompt"]
        parts = {name: common[name] for name in OF_PROMPT if not blank(common[name])}
        if not parts:
            return None
        if isinstance(conversation := parts.get("conversation"), str):
            if conversation.lstrip()[:1] in ("[", "{"):
                parts["conversation"] = parsed(conversation, "conversation")
            parts = {n: v for n, v in parts.items() if n != "prompt"}
        scratch = Reading()
        prompt = prompt_of(Record(parts, scratch))
        self.reading.notes.update(scratch.notes)
        return prompt

    def groups(self, rows: Sequence[Mapping[str, Any]], ids: list[str]) -> dict[str, Any] | None:
        """Return the ranking by ranks, or else by scores, or None where there are neither."""
        for name, convert in (("rank", rank_of), ("score", score_of)):
            places = [convert(row.get(name)) for row in rows]
            if name == "score" and self.ours:
                return None
            highest_first = name == "score" and self.highest_first
            groups, without = groups_of(ids, places, highest_first=highest_first)
            if not groups:
                continue
            if self.ours:
                return {"ranking": groups, "unranked": without}
            return ranked(groups, without, self.reading)
        return None

    def circumstances(self, common: Mapping[str, Any]) -> dict[str, Any]:
        """Return the details of a ranking that the table has."""
        made = {
            "version": whole(common["version"], "version"),
            "current": truth(common["current"], "current"),
            "origin": common["origin"],
            "surplus": truth(common["surplus"], "surplus"),
            "created_at": common["created_at"] if self.ours else time_of(common["created_at"]),
            "seconds": number_of(common["seconds"], "seconds"),
            "all_bad": truth(common["all_bad"], "all_bad"),
            "note": common["note"],
        }
        return {name: value for name, value in made.items() if value is not None}

    def seen(self, rows: Sequence[Mapping[str, Any]], ids: Sequence[str]) -> dict[str, Any]:
        """Return the order in which the responses were shown, and their ratings."""
        found: dict[str, Any] = {}
        places = [whole(row.get("place_shown"), "place_shown") for row in rows]
        if None not in places:
            found["shown"] = [id_ for _, id_ in sorted(zip(places, ids, strict=True))]
        ratings = {}
        for id_, row in zip(ids, rows, strict=True):
            flags = parsed(row.get("flags"), LIST_OF_FLAGS) or []
            score = score_of(row.get("score")) if not self.ours else None
            if self.ours:
                rating = whole(row.get("score"), "score")
            else:
                rating = int(score) if score in range(1, 8) else None  # type: ignore[arg-type]
            if rating is not None or flags:
                ratings[id_] = {"score": rating, "flags": flags}
        complete = self.ours or len(ratings) == len(ids)
        return found | ({"ratings": ratings} if ratings and complete else {})


def shared(rows: Sequence[Mapping[str, Any]], name: str) -> Any:
    """Return the value that the rows of a ranking share in a column; empty cells agree with any."""
    said = [row[name] for row in rows if not blank(row.get(name))]
    if any(value != said[0] for value in said[1:]):
        raise ValueError(sentence("has rows that differ in their %(name)s", name=name))
    return said[0] if said else None
