"""The options with which a file is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from training.formats.lines import RankingFileError
from training.formats.long_rankings import FIELDS
from training.sentences import sentence

Format = Literal["jsonl", "csv", "long", "trl", "sides", "oasst", "labelstudio", "argilla"]
MORE_FIELDS = ("chosen", "rejected", "winner")  # beside those of a table in long form


@dataclass(frozen=True)
class ReadOptions:
    """Say how a file is to be read; what is left out is found by its beginning.

    `columns` names the column or key of fields. `verdicts` says what the values of a verdict mean:
    a response's key, letter or number, tie, or both_bad. `ranking_is` says of a list of numbers
    whether it holds each response's rank or the order of the responses.
    """

    format: Format | Literal["parquet"] | None = None
    delimiter: str | None = None
    encoding: str | None = None
    header: bool = True
    columns: Mapping[str, str] = field(default_factory=dict)
    higher_is_better: bool = True
    verdicts: Mapping[str, str] = field(default_factory=dict)
    ranking_is: Literal["ranks", "order"] | None = None

    def __post_init__(self) -> None:
        known = (*FIELDS, *MORE_FIELDS)
        if unknown := set(self.columns) - set(known):
            raise RankingFileError(
                sentence(
                    "there is no field %(field)s; the fields are %(fields)s",
                    field=repr(min(unknown)),
                    fields=", ".join(known),
                )
            )

    @property
    def shape(self) -> str | None:
        """Return the format that was given, or the one that the given columns belong to."""
        if self.format is not None and self.format != "parquet":
            return self.format
        given = {name for name, column in self.columns.items() if column}
        if {"chosen", "rejected"} <= given:
            return "trl"
        return "long" if "response" in given else None

    @property
    def given(self) -> dict[str, str]:
        """Return the keys of fields as records know them."""
        columns = dict(self.columns)
        if "winner" in columns:
            columns["verdict"] = columns.pop("winner")
        return columns
