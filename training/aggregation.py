"""Choose the rankings that count: all, the majority or adjudicated ones first, of those asked for.

Standard library only: the web imports this file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import combinations
from typing import Any

from training.rankings import UNRANKED, Aggregation, Identifier, RankedIn, Ranking


@dataclass(frozen=True, slots=True)
class RankingFilter:
    """Filter a project's rankings by labeller, day (UTC), origin, upload, and who wrote them.

    A value that is empty filters nothing. The first and the last day are both included. An upload
    is a number, RANKED_HERE or BY_COMMAND. With `sources`, a ranking is narrowed to the responses
    of these sources, and left out if they are fewer than two.
    """

    labellers: tuple[str, ...] = ()
    first: datetime | None = None
    last: datetime | None = None
    ranked_in: RankedIn = "all"
    uploads: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> RankingFilter:
        """Return the filter that the settings of a run ask for."""
        first, last = (settings.get(name) or "" for name in ("ranked_from", "ranked_until"))
        return cls(
            labellers=listed(settings.get("labellers")),
            first=day_start(first) if first else None,
            last=day_start(last) + timedelta(days=1, microseconds=-1) if last else None,
            ranked_in=settings.get("ranked_in") or "all",
            uploads=listed(settings.get("uploads")),
            sources=listed(settings.get("sources")),
        )

    def to_json(self) -> dict[str, Any]:
        """Return what the filter asks, under the names of the settings."""
        values = {
            "labellers": list(self.labellers),
            "ranked_from": self.first and self.first.date().isoformat(),
            "ranked_until": self.last and self.last.date().isoformat(),
            "ranked_in": None if self.ranked_in == "all" else self.ranked_in,
            "uploads": list(self.uploads),
            "sources": list(self.sources),
        }
        return {name: value for name, value in values.items() if value}

    @property
    def upload_numbers(self) -> list[int]:
        """Return the uploads that are numbers."""
        return [int(upload) for upload in self.uploads if upload.isdecimal()]


EVERY_RANKING = RankingFilter()


def listed(values: object) -> tuple[str, ...]:
    """Return the values of a setting that are separated by commas, each once."""
    found = (value.strip() for value in str(values or "").split(","))
    return tuple(dict.fromkeys(filter(None, found)))


def day_start(day: str) -> datetime:
    """Return the first moment of a day in UTC."""
    return datetime.combine(date.fromisoformat(day), time(tzinfo=UTC))


def choose(rankings: Sequence[Ranking], aggregation: Aggregation) -> list[Ranking]:
    """Return the rankings of a prompt that count, in the order given.

    `all`: every one. `majority`: for each set of responses, one ranking made of the labellers' own.
    `adjudicated`: for each set of responses, its adjudicated ranking alone where it has one.
    """
    if aggregation == "all":
        return list(rankings)
    by_set: dict[frozenset[Identifier], list[Ranking]] = {}
    for ranking in rankings:
        by_set.setdefault(frozenset(ranking.responses), []).append(ranking)
    chosen: list[Ranking] = []
    for of_set in by_set.values():
        own = [ranking for ranking in of_set if ranking.kind == "own"]
        adjudicated = [ranking for ranking in of_set if ranking.kind == "adjudicated"]
        if aggregation == "adjudicated":
            chosen += adjudicated or own
        elif own:
            chosen.append(majority(own))
    return chosen


def majority(rankings: Sequence[Ranking]) -> Ranking:
    """Return one ranking of what most labellers say, or the single ranking there is.

    All must rank the same responses. By Copeland's rule (Copeland 1951; Brandt et al. 2016,
    Handbook of Computational Social Choice, section 3.2): of two responses one beats the other
    where more labellers rank it higher than lower, and a response's score is how many it beats less
    how many beat it. Equal scores tie. Responses that nobody ranked stay unranked.
    """
    first, *others = rankings
    if not others:
        return first
    rows = [dict(zip(one.responses, one.ranks, strict=True)) for one in rankings]
    scores = dict.fromkeys(first.responses, 0)
    for one, other in combinations(first.responses, 2):
        lead = sum((row[one] < row[other]) - (row[one] > row[other]) for row in rows)
        won = (lead > 0) - (lead < 0)
        scores[one] += won
        scores[other] -= won
    places = {score: place for place, score in enumerate(sorted({*scores.values()}, reverse=True))}
    unranked = {name for name in scores if all(row[name] == UNRANKED for row in rows)}
    return Ranking(
        responses=first.responses,
        ranks=tuple(
            UNRANKED if name in unranked else places[score] + 1 for name, score in scores.items()
        ),
        labeller=f"majority of {len(rankings)}",
        kind="majority",
    )
