"""Read tables in long form, with one row for each response, as the objects of ranking JSONL.

Rows come from CSV, Parquet, workbooks and JSON lines; docs/data-format.md describes the columns.
Standard library only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from training.formats.lines import Found, RankingFileError
from training.formats.long_rankings import DEFUSED, FIELDS, Assembler, gathered
from training.formats.reading import UNNAMED, Reading
from training.formats.record import NAMES, normal
from training.formats.values import blank, score_of
from training.sentences import sentence

# Columns that only an export of Podium has: in it every column is what it is called.
OURS = {"ranking", "response_id", "place_shown", "all_bad", "surplus"}
# Fields that are guessed by the name of a column, and the names, the likeliest first.
GUESSED = {
    "rank": NAMES["rank"],
    "ranking": (*NAMES["ranking"], "ranking"),
    "prompt": NAMES["prompt"],
    "conversation": ("conversation", "conversations", "messages", "chat", "dialogue"),
    **{name: NAMES[name] for name in ("system", "history", "context", "prompt_id", "response",
                                      "response_id", "source", "score", "labeller", "created_at",
                                      "seconds", "note")},
}  # fmt: skip
PROMPTS = ("input", "inputs", "context", "history", "source_text", "article", "document")
# The names of columns of scores, in which a higher number is better.
SCORES = frozenset(NAMES["score"]) - {"label"}


def is_ours(header: Iterable[str]) -> bool:
    return set(header) >= OURS


def guess_columns(header: Sequence[str]) -> dict[str, str]:
    """Return the column of each field, guessed by the names of the columns."""
    if is_ours(header):
        return {name: name for name in FIELDS if name in header}
    called = {normal(column): column for column in reversed(header)}
    guessed: dict[str, str] = {}
    for name, candidates in GUESSED.items():
        for candidate in candidates:
            column = called.get(candidate)
            if column is not None and column not in guessed.values():
                guessed.setdefault(name, column)
    if "prompt" not in guessed and "conversation" not in guessed:
        for candidate in PROMPTS:
            if candidate in called:
                guessed["prompt"] = called[candidate]
                guessed = {name: column for name, column in guessed.items()
                           if name == "prompt" or column != called[candidate]}  # fmt: skip
                break
    if "prompt" in guessed and "input" in called and guessed["prompt"] != called["input"]:
        guessed["input"] = called["input"]
    return {name: guessed[name] for name in FIELDS if name in guessed}


def is_long(columns: Mapping[str, str]) -> bool:
    """Return True if these columns make a table in long form."""
    return "response" in columns and ("prompt" in columns or "conversation" in columns)


def chosen_columns(header: Sequence[str], given: Mapping[str, str] | None) -> dict[str, str]:
    """Return the columns to read: the given ones, and the guessed ones of the other fields.

    A field that is given as "" is not read. Raises RankingFileError where one is missing.
    """
    given = given or {}
    guessed = {
        name: column
        for name, column in guess_columns(header).items()
        if name not in given and column not in given.values()
    }
    columns = {name: column for name, column in (guessed | dict(given)).items() if column}
    for column in columns.values():
        if list(header).count(column) > 1:
            raise RankingFileError(
                sentence("has two columns called %(column)s", column=repr(column))
            )
    if normal(columns.get("rank", "")) in SCORES:
        column = columns["rank"]
        raise RankingFileError(
            sentence(
                "the column %(column)s is known as scores, of which the highest is the best",
                column=repr(column),
            ),
            f": use --column score={column}, with --lower-is-better if the lowest is",
        )
    if not is_long(columns):
        lacking = "prompt" if "response" in columns else "response"
        raise RankingFileError(
            sentence(
                "has no column that is known as the %(field)s; its columns are %(columns)s",
                field=lacking,
                columns=", ".join(map(repr, header)),
            ),
            f". Name it with --column {lacking}=COLUMN.",
        )
    return columns


def read_long(
    rows: Iterable[Found],
    header: Sequence[str],
    given: Mapping[str, str] | None,
    reading: Reading,
    sample: Sequence[Mapping[str, Any]] = (),
    *,
    highest_first: bool = True,
    defused: bool = False,
) -> Iterator[Found]:
    """Yield the rankings of a table in long form, each numbered by its first row.

    Rows are objects by the names of the columns. The `sample` of them tells whether a column
    guessed as scores holds numbers. In a `defused` table, apostrophes were put before what a
    spreadsheet would run.
    """
    ours = is_ours(header)
    columns = chosen_columns(header, given)
    if not ours:
        columns = fitting(columns, given or {}, sample)
    unread = [column for column in header if column not in columns.values()]
    known = set(columns.values()) | set(unread)

    def named() -> Iterator[Found]:
        for number, row in rows:
            if isinstance(row, dict):
                for column in unread:
                    if not blank(row.get(column)):
                        reading.leave(column or UNNAMED)
                for column in row.keys() - known:
                    reading.leave(column)
                values = {name: row.get(column) for name, column in columns.items()}
                if ours and defused:
                    values = {n: DEFUSED.sub("", v) if isinstance(v, str) else v
                              for n, v in values.items()}  # fmt: skip
                row = values
            elif not isinstance(row, ValueError):
                row = ValueError(sentence("is not an object with a prompt and a response"))
            yield number, row

    for name, column in columns.items():
        reading.fields[name][column] += 1
    return gathered(named(), columns.keys(), Assembler(reading, ours, highest_first))


def fitting(
    columns: dict[str, str], given: Mapping[str, str], sample: Sequence[Mapping[str, Any]]
) -> dict[str, str]:
    """Return the columns but those that were guessed by name and hold something else.

    A column of scores holds numbers. A column called system whose values differ within a prompt
    names the models that wrote the responses.
    """
    columns = dict(columns)
    if "score" in columns and "score" not in given:
        try:
            scores = {score_of(row.get(columns["score"])) for row in sample} - {None}
        except ValueError:
            scores = set()
        is_label = normal(columns["score"]) == "label"
        if not scores or (is_label and not scores <= {-1.0, 0.0, 1.0}):
            del columns["score"]  # words, or the numbers of categories
    if "system" in columns and "system" not in given and "source" not in columns:
        prompt = columns.get("prompt") or columns["conversation"]
        system = columns["system"]
        alike = [
            (before.get(system), row.get(system))
            for before, row in pairwise(sample)
            if before.get(prompt) == row.get(prompt)
        ]
        if alike and all(one != other for one, other in alike):
            columns["source"] = columns.pop("system")
    return columns
