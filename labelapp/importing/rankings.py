"""Import rankings: skip those that are stored, refuse those that contradict them, add the rest."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from django.db.models import F
from django.utils import timezone

from labelapp.db.bulk import insert_rows
from labelapp.importing.entries import Entry
from labelapp.models import Origin, Placement, Ranking, Rating, Upload, hash_responses
from training.formats.archive_keys import FileRating, RankingDetails
from training.sentences import sentence

NO_DETAILS = RankingDetails()


class RankingKey(NamedTuple):
    """The key of a ranking whose versions are numbered: a prompt, a member, a response set.

    Hashes and a name, because copies of prompts and members stand for those of the project.
    """

    content_hash: str
    name: str
    responses_hash: str


@dataclass
class ImportedRanking:
    """A ranking with its placements and ratings, by response row."""

    key: RankingKey
    ranking: Ranking
    ranks: dict[int, int]  # 1 = best, or UNRANKED
    ratings: dict[int, FileRating]


class ImportedRankings:
    """The rankings of a batch's prompts: those that are stored, and those to be written."""

    def __init__(self, stored: Iterable[ImportedRanking], upload: Upload | None = None) -> None:
        self.upload = upload  # of those to be written
        self.versions: defaultdict[RankingKey, dict[int, ImportedRanking]] = defaultdict(dict)
        self.adjudicated: dict[tuple[str, str], ImportedRanking] = {}  # current ones
        self.gold: set[str] = set()  # prompts
        self.new: list[ImportedRanking] = []
        for one in stored:
            self.register(one)

    def register(self, one: ImportedRanking) -> None:
        ranking, key = one.ranking, one.key
        self.versions[key][ranking.version] = one
        if ranking.is_current and ranking.origin == Origin.ADJUDICATED:
            self.adjudicated[key.content_hash, key.responses_hash] = one
        if ranking.is_gold:
            self.gold.add(key.content_hash)

    def current(self, key: RankingKey, origin: str) -> ImportedRanking | None:
        """Return the current ranking, of which only one may exist."""
        if origin == Origin.ADJUDICATED:
            return self.adjudicated.get((key.content_hash, key.responses_hash))
        for one in self.versions[key].values():
            if one.ranking.is_current and one.ranking.origin != Origin.ADJUDICATED:
                return one
        return None

    def add(self, entry: Entry, name: str, member_id: int) -> str:
        """Add an entry's ranking unless it is stored; return the reason if it contradicts one."""
        key = RankingKey(entry.content_hash, name, hash_responses(entry.responses.values()))
        details = entry.line.details or NO_DETAILS
        new = read_ranking(entry, key, member_id, details)
        new.ranking.upload = self.upload
        current = self.current(key, details.origin) if details.current else None
        if details.version is None:
            stored = current
        else:
            stored = self.versions[key].get(details.version)
            new.ranking.version = details.version
        if stored is not None:
            if is_same(stored, new, entry.line.details):
                return ""
            if details.version is None:
                return sentence(
                    "is a second, different ranking of these responses by %(name)s", name=repr(name)
                )
            return sentence(
                "differs from the stored version %(version)s of the ranking of these responses "
                "by %(name)s",
                version=str(details.version),
                name=repr(name),
            )
        if current is not None:
            return (
                sentence(
                    "is a second adjudicated ranking of these responses, by %(name)s",
                    name=repr(name),
                )
                if details.origin == Origin.ADJUDICATED
                else sentence(
                    "is a second current ranking of these responses, by %(name)s", name=repr(name)
                )
            )
        if details.gold and key.content_hash in self.gold:
            new.ranking.is_gold = False  # another was made gold after the file was written
        if details.version is None:
            new.ranking.version = max(self.versions[key], default=0) + 1
        self.register(new)
        self.new.append(new)
        entry.added = True
        return ""

    def write(self) -> None:
        """Write the new rankings with their placements and ratings."""
        Ranking.objects.bulk_create(one.ranking for one in self.new)
        insert_rows(
            Placement,
            ("ranking", "response", "rank"),
            [
                (one.ranking.pk, response_id, rank)
                for one in self.new
                for response_id, rank in one.ranks.items()
            ],
        )
        insert_rows(
            Rating,
            ("ranking", "response", "score", "flags"),
            [
                (one.ranking.pk, response_id, rating.score, list(rating.flags))
                for one in self.new
                for response_id, rating in one.ratings.items()
            ],
        )


def read_ranking(
    entry: Entry, key: RankingKey, member_id: int, details: RankingDetails
) -> ImportedRanking:
    """Return the ranking of an entry, still without a version."""
    ranking = Ranking(
        prompt_id=entry.prompt_id,
        member_id=member_id,
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
    ranks = {entry.response_ids[id_]: rank for id_, rank in entry.line.ranks.items()}
    ratings = {entry.response_ids[id_]: rating for id_, rating in details.ratings.items()}
    return ImportedRanking(key, ranking, ranks, ratings)


def is_same(stored: ImportedRanking, new: ImportedRanking, details: RankingDetails | None) -> bool:
    """Return whether a line describes the stored ranking.

    The marks current, surplus and gold may have changed since the file was written, so they are
    not compared.
    """
    if stored.ranks != new.ranks or details is None:
        return stored.ranks == new.ranks
    old, given = stored.ranking, new.ranking
    return (
        stored.ratings == new.ratings
        and (old.origin, old.all_bad, old.note) == (given.origin, given.all_bad, given.note)
        and (details.seconds is None or old.seconds == details.seconds)
        and (details.created_at is None or old.created_at == details.created_at)
    )


def stored_rankings(prompts: Mapping[int, str]) -> list[ImportedRanking]:
    """Return every version of every ranking of some prompts, given with their content hashes."""
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
    rankings = Ranking.objects.filter(prompt__in=prompts).annotate(name=F("member__name"))
    return [
        ImportedRanking(
            RankingKey(prompts[ranking.prompt_id], ranking.name, ranking.responses_hash),
            ranking,
            ranks[ranking.pk],
            ratings[ranking.pk],
        )
        for ranking in rankings
    ]
