"""Read the records of a file as objects of ranking JSONL, whatever their shape.

The shape of a record is found by its keys, and a table's by its columns; docs/data-format.md lists
them. Nothing is decided by the place of a key or column. Standard library only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, cast

from training.formats import argilla, label_studio, oasst
from training.formats.archive_keys import metadata_of, tags_of
from training.formats.best_first import columns_best_first, read_best_first, told_best_first
from training.formats.conversation import prompt_of
from training.formats.lines import Found, MissingColumnError, RankingFileError, UnknownColumnsError
from training.formats.long_table import OURS, chosen_columns, guess_columns, is_long, read_long
from training.formats.pairs import keys_of_pair, read_pair
from training.formats.read_options import Format, ReadOptions
from training.formats.reading import Reading
from training.formats.record import Record
from training.formats.response_list import list_in, read_list
from training.formats.shapes import OWN, has_few, is_exported, is_flat, is_own, shape_of
from training.formats.sides import read_sides, sides_in
from training.formats.values import number_of, text, time_of
from training.formats.verdicts import Verdicts
from training.sentences import plural_sentence, sentence

SAMPLE = 200  # records that are looked at before the first is read


@dataclass
class Reader:
    """Read the records of a file, after a look at its first ones.

    `header` holds the columns of a table, and is None for files whose records have keys of their
    own; `is_text` tells a table of text from one with types. With `prompts`, a table without
    responses is read as well.
    """

    records: Iterator[Found]
    reading: Reading
    options: ReadOptions
    header: list[str] | None = None
    is_text: bool = False
    prompts: bool = False

    def __post_init__(self) -> None:
        self.sample: list[Found] = []
        self.stopped: RankingFileError | None = None
        try:
            for found in self.records:
                self.sample.append(found)
                if len(self.sample) >= SAMPLE:
                    break
        except RankingFileError as error:  # what was read before is still to be had
            if not self.sample:
                raise
            self.stopped = error
        self.unwrap()
        self.first = [data for _, data in self.sample if isinstance(data, dict) and has_few(data)]
        self.verdicts = Verdicts(self.options.verdicts)
        self.reading.higher_is_better = self.options.higher_is_better
        self.check_columns()
        self.format = self.detected()

    def unwrap(self) -> None:
        """Replace a single object that holds a whole file by the records in it."""
        if len(self.sample) != 1 or not isinstance(self.sample[0][1], dict):
            return
        (_, whole) = self.sample[0]
        if not has_few(whole):
            return
        rows = records_within(whole, self.options, self.reading)
        if rows is not None:
            self.sample = list(enumerate(rows[:SAMPLE], start=1))
            self.records = chain(enumerate(rows[SAMPLE:], start=SAMPLE + 1), self.records)
            self.reading.container = sentence(
                "%(container)s, in one object", container=self.reading.container
            )

    def check_columns(self) -> None:
        """Raise MissingColumnError where a given column is not in the file."""
        keys = self.header if self.header is not None else self.keys()
        for column in self.options.columns.values():
            if column and column not in keys:
                there = ", ".join(map(repr, keys))
                names = {"column": repr(column), "names": there}
                raise MissingColumnError(
                    sentence("has no column %(column)s; its keys are %(names)s", **names)
                    if self.header is None
                    else sentence("has no column %(column)s; its columns are %(names)s", **names)
                )

    def detected(self) -> Format:
        """Return the shape of the file. Raises RankingFileError for a table without a known one."""
        if (shape := self.options.shape) is not None:
            return cast("Format", shape)
        if (
            self.header is not None
            and is_long(guess_columns(self.header))
            and (set(self.header) >= OURS)
        ):
            return "long"
        scratch = Reading()
        shapes = Counter(shape_of(Record(data, scratch, self.options.given)) for data in self.first)
        known = [shape for shape, _ in shapes.most_common() if shape]
        if self.header is None or (known and known[0] != "jsonl"):
            return cast("Format", known[0] if known else "jsonl")
        return self.shape_of_header(scratch)

    def shape_of_header(self, scratch: Reading) -> Format:
        """Return the shape of a table by its columns alone. Raises RankingFileError."""
        header = self.header or []
        rows = [*self.first, dict.fromkeys(header, "x")]
        if not header or any(list_in(Record(row, scratch)) for row in rows):
            return "jsonl"
        shape = shape_of(Record(rows[-1], scratch, self.options.given))
        if shape is None or (shape == "jsonl" and not self.prompts):
            if self.options.columns:
                chosen_columns(header, self.options.columns)  # says which column is lacking
            raise not_understood(header)
        return cast("Format", shape)

    def __iter__(self) -> Iterator[Found]:
        """Yield objects of ranking JSONL, or ValueErrors, each with the number of its record."""
        for data in self.first:
            self.verdicts.look(Record(data, Reading(), self.options.given))
        if self.format == "long":
            self.reading.shapes["long"] += 1
            yield from read_long(
                self.counted(),
                self.header if self.header is not None else self.keys(),
                self.options.columns,
                self.reading,
                self.first,
                highest_first=self.options.higher_is_better,
                defused=self.is_text,
            )
        elif self.format == "oasst" and any(map(is_flat, self.first)):
            self.reading.shapes["oasst"] += 1
            yield from oasst.read_messages(self.counted(), self.reading)
        else:
            for number, data in self.counted():
                yield from self.read(number, data)
        self.reading.shapes.pop("", None)

    def counted(self) -> Iterator[Found]:
        """Yield the records, those looked at first, and count them."""
        for found in self.sample:
            self.reading.records += 1
            yield found
        if self.stopped is not None:
            raise self.stopped
        for found in self.records:
            self.reading.records += 1
            yield found

    def keys(self) -> list[str]:
        """Return the keys of the first records, each once."""
        return list(dict.fromkeys(key for data in self.first for key in data))

    def read(self, number: int, data: Any) -> Iterator[Found]:
        """Yield what a record gives."""
        if not isinstance(data, dict):
            is_error = isinstance(data, ValueError)
            yield (
                number,
                data
                if is_error
                else ValueError(sentence("is not a JSON object with prompt and responses")),
            )
            return
        if self.options.shape in (None, "jsonl") and self.header is None and is_own(data):
            self.reading.shapes["jsonl"] += 1
            for key in data.keys() - OWN:
                self.reading.leave(key)
            yield number, data
            return
        try:
            record = Record(data, self.reading, self.options.given)
            for found in self.objects(record):
                yield number, found
        except ValueError as error:
            yield number, error

    def objects(self, record: Record) -> Iterator[dict[str, Any]]:
        """Yield the objects of ranking JSONL in a record. Raises ValueError with a reason."""
        shape = self.options.shape or shape_of(record)
        if shape == "long" and self.format != "long":
            shape = None
        if shape is None:
            raise ValueError(
                sentence(
                    "has no prompt and responses that are known; it has %(keys)s",
                    keys=record.keys(),
                )
            )
        self.reading.shapes[shape] += 1
        if shape == "oasst":
            yield from oasst.read_tree(record)
        elif shape == "labelstudio":
            yield from label_studio.read_task(record)
        elif shape == "argilla":
            yield from argilla.read_record(record)
        else:
            yield common(record) | self.ranking(record, shape)
        record.leave()

    def ranking(self, record: Record, shape: str) -> dict[str, Any]:
        """Return the prompt, the responses and the ranking of a record."""
        if shape == "trl":
            keys = keys_of_pair(record)
            if keys is None:
                raise ValueError(
                    sentence("has no chosen and rejected: two texts, or two lists of messages")
                )
            return read_pair(record, keys)
        if shape == "sides":
            return read_sides(
                record, sides_in(record), self.verdicts,
                highest_first=self.options.higher_is_better,
            )  # fmt: skip
        if shape == "csv":
            return read_best_first(*self.best_first(record))
        key = list_in(record)
        if key is not None:
            return read_list(
                record, key, highest_first=self.options.higher_is_better,
                ranking_is=self.options.ranking_is,
            )  # fmt: skip
        return as_it_is(record)

    def best_first(self, record: Record) -> tuple[Record, list[str]]:
        """Return the record and its columns, best first: by their names, or as the user said."""
        keys = columns_best_first(record)
        if keys:
            return record, keys
        if self.header is None:
            raise RankingFileError(sentence("has no keys that say which response is the best"))
        prompt, columns = told_best_first(self.header)
        if len(columns) < 2:
            raise RankingFileError(
                plural_sentence(
                    "has %(count)s column of responses beside the prompt %(prompt)s; "
                    "expected at least two",
                    "has %(count)s columns of responses beside the prompt %(prompt)s; "
                    "expected at least two",
                    len(columns),
                    prompt=repr(prompt),
                ),
                ". Give the separator with --delimiter.",
            )
        given = {"prompt": prompt, **record.given}
        return Record(record.data, self.reading, given), columns


def as_it_is(record: Record) -> dict[str, Any]:
    """Return the keys of ranking JSONL in a record without a list of responses."""
    responses = record.data.get("responses")
    record.used |= {"responses"} if responses is not None else set()
    return {"prompt": prompt_of(record), "responses": responses}


def common(record: Record) -> dict[str, Any]:
    """Return the fields besides the prompt and its responses: ids, people and times."""
    if is_exported(record.data):
        own = {key: record.data[key] for key in OWN & record.data.keys() - {"prompt", "responses"}}
        record.used |= own.keys()
        return own
    found = {
        "id": record.take("prompt_id"),
        "labeller": soft(record, "labeller", lambda value: text(value) if is_name(value) else None),
        "note": soft(record, "note", lambda value: value if isinstance(value, str) else None),
        "seconds": soft(record, "seconds", seconds_of),
        "created_at": soft(record, "created_at", time_of),
    }
    for key, value in (
        ("tags", list(tags_of(record.data.get("tags")))),
        ("metadata", metadata_of(record.data.get("metadata"))),
    ):
        if value:
            found[key] = value
            record.used.add(key)
    if found["id"] is None and (row_id := record.take("row_id")) is not None:
        found |= {"id": row_id, "row_id": True}
    return {key: value for key, value in found.items() if value is not None}


def soft(record: Record, field: str, convert: Callable[[Any], Any]) -> Any:
    """Return the value of a field, or None where its key holds something else."""
    key = record.key(field)
    value = None if key is None else convert(record.data[key])
    if key is not None and value is not None:
        record.read(key, field)
    return value


def is_name(value: Any) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)


def seconds_of(value: Any) -> float | None:
    """Return a time at work in seconds, or None."""
    try:
        return number_of(value, "time")
    except ValueError:
        return None


def records_within(
    whole: dict[str, Any], options: ReadOptions, reading: Reading
) -> list[dict[str, Any]] | None:
    """Return the records in an object, listed or column by column; None if it is a record."""
    if shape_of(Record(whole, Reading(), options.given)) is not None:
        columns = list(whole.values())
        tables = all(isinstance(column, list | dict) for column in columns)
        if not tables or len({len(column) for column in columns}) > 1 or len(columns) < 2:
            return None
        if not all(isinstance(column, type(columns[0])) for column in columns):
            return None
        if isinstance(columns[0], list) and any(
            isinstance(value, Mapping) for column in columns for value in column
        ):
            return None
        keys = range(len(columns[0])) if isinstance(columns[0], list) else list(columns[0])
        return [{name: column[key] for name, column in whole.items()} for key in keys]
    lists = [key for key, value in whole.items() if isinstance(value, list) and value
             and all(isinstance(item, dict) for item in value)]  # fmt: skip
    if len(lists) != 1:
        return None
    for key, value in whole.items():
        if key not in lists and value not in (None, "", [], {}):
            reading.leave(key)
    rows = whole[lists[0]]
    if all(isinstance(row.get("row"), dict) for row in rows):  # of the hub's viewer
        rows = [row["row"] for row in rows]
    return cast("list[dict[str, Any]]", rows)


def not_understood(header: Sequence[str]) -> UnknownColumnsError:
    """Return the error for a table whose columns are not known."""
    named = [column for column in header if column]
    columns = ", ".join(map(repr, named[:12]))
    if len(named) == 1:
        problem = sentence("has a single column, %(columns)s", columns=columns)
        return UnknownColumnsError(problem, ". Give the separator with --delimiter", header)
    if len(named) > 12:
        columns = sentence("%(columns)s and more", columns=columns)
    return UnknownColumnsError(
        sentence(
            "has the columns %(columns)s, whose names do not say what they hold", columns=columns
        ),
        ". If the prompt comes first and then the responses, the best first, give --format csv; if "
        "the first row is no header, --no-header as well. Otherwise name the columns with "
        "--column, as in --column prompt=COLUMN --column response=COLUMN --column rank=COLUMN",
        header,
    )
