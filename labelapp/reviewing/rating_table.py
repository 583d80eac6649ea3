"""The scores and flags that labellers gave to the responses of each source, as a table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labelapp.reviewing.results import SourceRatings
from labelapp.runs.wilson import wilson


@dataclass(frozen=True)
class FlagShare:
    """The share of the times that a source got a flag, with its 95 % interval.

    The interval takes each time for independent.
    """

    given: int
    share: float
    low: float
    high: float


def rating_table(ratings: Sequence[SourceRatings]) -> dict[str, Any]:
    """Return the flags that were given, and a row for each source with the share of each flag."""
    flags = sorted({flag for one in ratings for flag in one.flags})
    rows = [(one, [flag_share(one.flags, flag, one.ranked) for flag in flags]) for one in ratings]
    return {"flags": flags, "rows": rows, "has_scores": any(one.scores for one in ratings)}


def flag_share(flags: Mapping[str, int], flag: str, ranked: int) -> FlagShare:
    given = flags.get(flag, 0)
    return FlagShare(given, given / ranked, *wilson(given / ranked, ranked))
