"""Importing rankings: what is there already, what contradicts it, and what is new."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from django.utils import timezone

from labelapp.db.bulk import insert_rows
from labelapp.importing.entries import Entry
from labelapp.models import Origin, Placement, Ranking, Rating, hash_responses
from training.formats.archive_keys import FileRating, RankingDetails

PLAIN = RankingDetails()


class Key(NamedTuple):
    """Whose verdict on what: its versions are numbered."""

    prompt_id: int
    member_id: int
    responses_hash: str


@dataclass
class Verdict:
    """A ranking with its placements and ratings, by response."""

    ranking: Ranking
    ranks: dict[int, int]  # 1 = best
    ratings: dict[int, FileRating]


class Verdicts:
    """The rankings of a batch's prompts: those that are there, and those to be written."""

    def __init__(self, there: Iterable[Verdict]) -> None:
        self.versions: defaultdict[Key, dict[int, Verdict]] = defaultdict(dict)
        self.adjudicated: dict[tuple[int, str], Verdict] = {}  # current ones
        self.gold: set[int] = set()  # prompts
        self.new: list[Verdict] = []
        for verdict in there:
            self.know(verdict)

    def know(self, verdict: Verdict) -> None:
        ranking = verdict.ranking
        key = Key(ranking.prompt_id, ranking.member_id, ranking.responses_hash)
        self.versions[key][ranking.version] = verdict
        if ranking.is_current and ranking.origin == Origin.ADJUDICATED:
            self.adjudicated[key.prompt_id, key.responses_hash] = verdict
        if ranking.is_gold:
            self.gold.add(key.prompt_id)

    def standing(self, key: Key, origin: str) -> Verdict | None:
        """The current verdict beside which there can be no other."""
        if origin == Origin.ADJUDICATED:
            return self.adjudicated.get((key.prompt_id, key.responses_hash))
        own = (verdict.ranking for verdict in self.versions[key].values())
        current = (r.version for r in own if r.is_current and r.origin != Origin.ADJUDICATED)
        version = next(current, None)
        return None if version is None else self.versions[key][version]

    def add(self, entry: Entry, member_id: int, name: str) -> str:
        """Add an entry's ranking, unless it is there. The reason where it contradicts what is."""
        key = Key(entry.prompt_id, member_id, hash_responses(entry.responses.values()))
        details = entry.line.details or PLAIN
        verdict = verdict_of(entry, key, details)
        standing = self.standing(key, details.origin) if details.current else None
        if details.version is None:
            there = standing
        else:
            there = self.versions[key].get(details.version)
            verdict.ranking.version = details.version
        if there is not None:
            if says_the_same(there, verdict, entry.line.details):
                return ""
            if details.version is None:
                return f"is a second, different ranking of these responses by {name!r}"
            return (
                f"is another version {details.version} of the ranking of these responses by "
                f"{name!r} than the one that is there"
            )
        if standing is not None:
            what = "adjudicated" if details.origin == Origin.ADJUDICATED else "current"
            return f"is a second {what} ranking of these responses, by {name!r}"
        if details.gold and key.prompt_id in self.gold:
            verdict.ranking.is_gold = False  # that mark may have moved since the file was written
        if details.version is None:
            verdict.ranking.version = max(self.versions[key], default=0) + 1
        self.know(verdict)
        self.new.append(verdict)
        entry.added = True
        return ""

    def write(self) -> None:
        """Write the new rankings with all that hangs on them."""
        Ranking.objects.bulk_create(verdict.ranking for verdict in self.new)
        insert_rows(
            Placement,
            ("ranking", "response", "rank"),
            [
                (verdict.ranking.pk, response_id, rank)
                for verdict in self.new
                for response_id, rank in verdict.ranks.items()
            ],
        )
        insert_rows(
            Rating,
            ("ranking", "response", "score", "flags"),
            [
                (verdict.ranking.pk, response_id, rating.score, list(rating.flags))
                for verdict in self.new
                for response_id, rating in verdict.ratings.items()
            ],
        )


def verdict_of(entry: Entry, key: Key, details: RankingDetails) -> Verdict:
    """What an entry says; its version is not known yet."""
    ranking = Ranking(
        prompt_id=key.prompt_id,
        member_id=key.member_id,
        responses_hash=key.responses_hash,
        is_current=details.current,
        origin=details.origin,
        surplus=details.surplus,
        is_gold=details.gold,
        seconds=details.seconds,
        all_bad=details.all_bad,
        note=details.note,
        created_at=details.created_at or timezone.now(),
    )
    ratings = {entry.response_ids[id_]: rating for id_, rating in details.ratings.items()}
    return Verdict(ranking, ranks_by_response(entry), ratings)


def says_the_same(there: Verdict, verdict: Verdict, details: RankingDetails | None) -> bool:
    """Whether a line says of a ranking what is known of it.

    Whether it is current, surplus or gold may have changed since the file was written.
    """
    if there.ranks != verdict.ranks or details is None:
        return there.ranks == verdict.ranks
    known, said = there.ranking, verdict.ranking
    return (
        there.ratings == verdict.ratings
        and (known.origin, known.all_bad, known.note) == (said.origin, said.all_bad, said.note)
        and (details.seconds is None or known.seconds == details.seconds)
        and (details.created_at is None or known.created_at == details.created_at)
    )


def verdicts_of(prompts: Sequence[int]) -> list[Verdict]:
    """Every version of every ranking of some prompts."""
    if not prompts:
        return []
    ranks: defaultdict[int, dict[int, int]] = defaultdict(dict)
    placements = Placement.objects.filter(ranking__prompt__in=prompts)
    for pk, response_id, rank in placements.values_list("ranking_id", "response_id", "rank"):
        ranks[pk][response_id] = rank
    ratings: defaultdict[int, dict[int, FileRating]] = defaultdict(dict)
    rated = Rating.objects.filter(ranking__prompt__in=prompts)
    for pk, response_id, score, flags in rated.values_list(
        "ranking_id", "response_id", "score", "flags"
    ):
        ratings[pk][response_id] = FileRating(score, tuple(flags))
    rankings = Ranking.objects.filter(prompt__in=prompts)
    return [Verdict(ranking, ranks[ranking.pk], ratings[ranking.pk]) for ranking in rankings]


def ranks_by_response(entry: Entry) -> dict[int, int]:
    """Response row -> rank, 1 = best."""
    return {
        entry.response_ids[id_]: rank
        for rank, group in enumerate(entry.line.ranking or [], start=1)
        for id_ in group
    }
