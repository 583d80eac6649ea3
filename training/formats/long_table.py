"""Read tables in long form, with one row for each response, as the objects of ranking JSONL.

CSV and Parquet come here as rows; docs/data-format.md describes the columns. Standard library only.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any

from training.formats.lines import (
    LONGEST,
    MAX_LINE_BYTES,
    Found,
    RankingFileError,
    table_rows,
)

FIELDS = {
    "ranking": "what is the same in all rows of a ranking, and another for the next",
    "prompt": "the prompt, as a text",
    "conversation": "the prompt as messages: a JSON list of objects with role and content",
    "prompt_id": "your own id for the prompt",
    "response": "the response, as a text",
    "response_id": "the response's id within the ranking",
    "source": "the model that wrote the response",
    "rank": "the response's rank: the lowest number is the best, equal ones are ties",
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
    "score": "the labeller's score for the response",
    "flags": "the labeller's flags for the response: a JSON list of names",
}
OF_RESPONSE = {"response", "response_id", "source", "rank", "place_shown", "score", "flags"}
OF_RANKING = [name for name in FIELDS if name not in OF_RESPONSE]
# Columns that only an export of Podium has: in it every column is what it is called.
OURS = {"ranking", "response_id", "place_shown", "all_bad", "surplus"}
# What others call the columns, the likeliest first. Spaces and capitals do not matter.
NAMES = {
    "ranking": ("ranking_id", "group_id", "group", "ranking"),
    "prompt": ("prompt", "instruction", "question", "query", "user_prompt", "input"),
    "conversation": ("conversation", "messages"),
    "prompt_id": ("prompt_id", "question_id", "instruction_id"),
    "response": ("response", "completion", "answer", "output", "generation", "reply"),
    "response_id": ("response_id", "completion_id", "answer_id"),
    "source": ("source", "model", "model_name", "model_id", "generator"),
    "rank": ("rank", "human_rank", "response_rank", "ranking"),
    "labeller": (
        "labeller",
        "labeler",
        "annotator",
        "rater",
        "worker",
        "judge",
        "labeller_id",
        "labeler_id",
        "annotator_id",
        "rater_id",
        "worker_id",
    ),
}
# Apostrophes before what a spreadsheet would run: our export puts one there, which is taken away.
DEFUSED = re.compile(r"^'(?='*[=+\-@＝＋－＠\t\r\n])")
MAX_ROWS = 1000  # of a ranking; the bound keeps memory bounded
REMEMBERED = 10_000  # rankings in whose place another row of theirs is still recognised
DELIMITERS = "|\t;,"


def is_ours(header: Iterable[str]) -> bool:
    return set(header) >= OURS


def guess_columns(header: Sequence[str]) -> dict[str, str]:
    """Return the column of each field, guessed by the names of the columns."""
    if is_ours(header):
        return {name: name for name in FIELDS if name in header}
    called = {re.sub(r"[\W_]+", "_", column.strip().lower()): column for column in header[::-1]}
    guessed: dict[str, str] = {}
    for name in ("rank", *NAMES):
        for candidate in NAMES[name]:
            column = called.get(candidate)
            if column is not None and column not in guessed.values():
                guessed.setdefault(name, column)
    return {name: guessed[name] for name in FIELDS if name in guessed}


def is_long(columns: Mapping[str, str]) -> bool:
    """Return True if these columns make a table in long form."""
    return "response" in columns and ("prompt" in columns or "conversation" in columns)


def chosen_columns(header: Sequence[str], given: Mapping[str, str] | None) -> dict[str, str]:
    """Return the columns to read: the given ones, and the guessed ones of the other fields.

    A field that is given as "" is not read. Raises RankingFileError where one is missing.
    """
    given = given or {}
    if unknown := given.keys() - FIELDS.keys():
        raise RankingFileError(
            f"there is no field {min(unknown)!r}; the fields are {', '.join(FIELDS)}"
        )
    there = ", ".join(map(repr, header))
    for column in filter(None, given.values()):
        if column not in header:
            raise RankingFileError(f"has no column {column!r}; its columns are {there}")
    guessed = {
        name: column
        for name, column in guess_columns(header).items()
        if name not in given and column not in given.values()
    }
    columns = {name: column for name, column in (guessed | dict(given)).items() if column}
    for column in columns.values():
        if header.count(column) > 1:
            raise RankingFileError(f"has two columns called {column!r}")
    if not is_long(columns):
        lacking = "prompt" if "response" in columns else "response"
        raise RankingFileError(
            f"has no column that is known as the {lacking}; its columns are {there}. "
            f"Name it with --column {lacking}=COLUMN."
        )
    return columns


def split_header(line: str, delimiter: str | None = None) -> tuple[str, list[str]]:
    """Return a table's delimiter, if it is not given the likeliest, and the header's cells."""
    cells = {sign: header_cells(line, sign) for sign in delimiter or DELIMITERS}
    for sign, row in cells.items():
        if is_long(guess_columns(row)):
            return sign, row
    by_width = sorted(cells, key=lambda sign: -min(len(cells[sign]), 3))  # stable: | before ,
    sign = by_width[0]
    return sign, cells[sign]


def header_cells(line: str, sign: str) -> list[str]:
    try:
        return [cell.strip() for cell in next(csv.reader([line], delimiter=sign), [])]
    except csv.Error:
        return []


def read_long(
    stream: IO[bytes], delimiter: str, columns: Mapping[str, str] | None = None
) -> Iterator[Found]:
    """Yield the rankings of a CSV in long form, each numbered by its first line."""
    rows = table_rows(stream, delimiter)
    _, _, header = next(rows, (0, 0, []))
    if not isinstance(header, list) or not header:
        raise RankingFileError("has no header that can be read")
    header = [column.strip() for column in header]
    places = {name: header.index(c) for name, c in chosen_columns(header, columns).items()}
    defused = is_ours(header)

    def named() -> Iterator[Found]:
        for number, _, row in rows:
            if isinstance(row, list) and len(row) != len(header):
                row = ValueError(f"has {len(row)} columns where the header has {len(header)}")
            if isinstance(row, list):
                cells = [DEFUSED.sub("", cell) for cell in row] if defused else row
                row = {name: cells[place] for name, place in places.items()}
            yield number, row

    return gathered(named(), places.keys())


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
            self.problem = f"has more than {MAX_ROWS:,} rows"
        elif self.characters > MAX_LINE_BYTES:
            self.problem = f"is longer than {LONGEST}"
            self.rows.clear()
        else:
            self.rows.append(row)


def gathered(rows: Iterable[Found], fields: Iterable[str]) -> Iterator[Found]:
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
            yield group.number, assembled(group, recent)
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
    return f"may lack the row of line {number}, which cannot be read"


def key_of(row: Mapping[str, Any], fields: set[str]) -> Any:
    """Return the key that the rows of a ranking share, or a ValueError where a row has none."""
    if "ranking" in fields:
        key = row["ranking"]
        return ValueError("does not say to which ranking it belongs") if blank(key) else str(key)
    prompt = next((row[name] for name in ("prompt_id", "conversation", "prompt")
                   if name in fields and not blank(row[name])), None)  # fmt: skip
    return (json.dumps(prompt, default=str), str(row.get("labeller") or ""))


def assembled(group: Group, recent: dict[int, int]) -> Any:
    """Return the group as an object of ranking JSONL, or a ValueError that says what is wrong."""
    first = recent.setdefault(hash(group.key), group.number)
    if len(recent) > REMEMBERED:
        del recent[next(iter(recent))]
    if group.problem:
        return ValueError(group.problem)
    if first != group.number:
        return ValueError(
            f"is of the ranking of line {first}, and others stand between them: "
            "the rows of a ranking stand together"
        )
    try:
        return ranking_object(group.rows)
    except ValueError as error:
        return error


def ranking_object(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the rows of a ranking as an object of ranking JSONL. Raises ValueError."""
    common = {name: shared(rows, name) for name in OF_RANKING}
    ids = [text(row.get("response_id")) or str(place) for place, row in enumerate(rows)]
    data: dict[str, Any] = {
        "prompt": messages(common["conversation"]) or common["prompt"],
        "id": common["prompt_id"],
        "responses": [
            {"id": id_, "text": row["response"], "source": text(row.get("source"))}
            for id_, row in zip(ids, rows, strict=True)
        ],
        "labeller": text(common["labeller"]),
    }
    ranks = [whole(row.get("rank"), "rank") for row in rows]
    known = [rank for rank in ranks if rank is not None]
    if not known:
        return data
    if len(known) < len(ranks):
        raise ValueError("has a rank for some of its responses only")
    groups = [
        [id_ for id_, r in zip(ids, ranks, strict=True) if r == rank] for rank in sorted({*known})
    ]
    return data | {"ranking": groups} | circumstances(common) | seen(rows, ids)


def circumstances(common: Mapping[str, Any]) -> dict[str, Any]:
    """Return the details of a ranking that the table has."""
    made = {
        "version": whole(common["version"], "version"),
        "current": truth(common["current"], "current"),
        "origin": common["origin"],
        "surplus": truth(common["surplus"], "surplus"),
        "created_at": common["created_at"],
        "seconds": number_of(common["seconds"], "seconds"),
        "all_bad": truth(common["all_bad"], "all_bad"),
        "note": common["note"],
    }
    return {name: value for name, value in made.items() if value is not None}


def seen(rows: Sequence[Mapping[str, Any]], ids: Sequence[str]) -> dict[str, Any]:
    """Return the order in which the responses were shown, and their ratings."""
    found: dict[str, Any] = {}
    places = [whole(row.get("place_shown"), "place_shown") for row in rows]
    if None not in places:
        found["shown"] = [id_ for _, id_ in sorted(zip(places, ids, strict=True))]
    ratings = {}
    for id_, row in zip(ids, rows, strict=True):
        score, flags = whole(row.get("score"), "score"), names(row.get("flags"))
        if score is not None or flags:
            ratings[id_] = {"score": score, "flags": flags}
    return found | ({"ratings": ratings} if ratings else {})


def shared(rows: Sequence[Mapping[str, Any]], name: str) -> Any:
    """Return the value that the rows of a ranking share in a column; empty cells agree with any."""
    said = [row[name] for row in rows if not blank(row.get(name))]
    if any(value != said[0] for value in said[1:]):
        raise ValueError(f"has rows that differ in their {name}")
    return said[0] if said else None


def blank(value: Any) -> bool:
    return value is None or value == "" or value != value  # NaN is how pandas says nothing


def text(value: Any) -> Any:
    """Return a name that is a number as text, and anything else as it is."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def number_of(value: Any, name: str) -> float | None:
    if blank(value):
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ValueError(f"has a {name} that is not a number: {str(value)[:40]!r}") from None


def whole(value: Any, name: str) -> int | None:
    number = number_of(value, name)
    if number is None:
        return None
    if not number.is_integer():
        raise ValueError(f"has a {name} that is not a whole number: {str(value)[:40]!r}")
    return int(number)


def truth(value: Any, name: str) -> bool | None:
    if isinstance(value, bool):
        return value
    if blank(value):
        return None
    known = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    try:
        return known[str(value).strip().lower()]
    except KeyError:
        raise ValueError(f"has a {name} that is neither true nor false: {value!r}") from None


def messages(value: Any) -> Any:
    """Return a conversation, given its messages or their JSON."""
    return parsed(value, "conversation")


def names(value: Any) -> Any:
    return parsed(value, "list of flags") or []


def parsed(value: Any, what: str) -> Any:
    if not isinstance(value, str) or not value:
        return None if blank(value) else value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        raise ValueError(f"has a {what} that is not JSON") from None
