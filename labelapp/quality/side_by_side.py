"""Arrange the rankings of a prompt side by side, one table per set of responses."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from django.db.models import Q

from labelapp.models import Member, Origin, Prompt, Ranking, Rating, Response
from labelapp.rendering.letters import letter
from training.aggregation import majority
from training.rankings import UNRANKED
from training.rankings import Ranking as TrainingRanking


@dataclass(frozen=True)
class Cell:
    """The rank that a ranking gives to a response."""

    rank: int  # or UNRANKED
    tied: bool

    @property
    def is_ranked(self) -> bool:
        return self.rank != UNRANKED


@dataclass(frozen=True)
class Column:
    """A ranking as a column of the table."""

    ranking: Ranking
    cells: dict[int, Cell]  # by response
    rated: list[tuple[str, Rating]]  # scores and flags, by letter

    @property
    def name(self) -> str:
        return self.ranking.member.name

    @property
    def counts(self) -> bool:
        return not self.ranking.surplus and not self.ranking.is_left_out

    @property
    def has_details(self) -> bool:
        return bool(self.ranking.note or self.ranking.all_bad or self.rated)


@dataclass(frozen=True)
class ResponseRow:
    """A response as a row of the table, with its ranks."""

    letter: str
    response: Response
    cells: list[Cell]  # in the order of the columns
    mean: float | None  # of the labellers' ranks; None if some did not rank it
    adjudicated: Cell | None


@dataclass(frozen=True)
class Table:
    """All rankings of one set of responses."""

    responses_hash: str
    columns: list[Column]  # the labellers'
    adjudicated: Column | None
    earlier: list[Column]  # adjudicated, then replaced or withdrawn; newest first
    rows: list[ResponseRow]  # in the order of the majority, best first
    by_letter: dict[str, int]  # the responses, in the order of their letters
    majority: dict[str, int]  # ranks by letter; empty without labellers

    @property
    def current_columns(self) -> list[Column]:
        """The columns of all current rankings, the adjudicated one last."""
        return [*self.columns, *([self.adjudicated] if self.adjudicated else [])]


@dataclass(frozen=True)
class Split:
    """A pair of responses that labellers order differently, by letter."""

    one: str
    other: str
    prefer_one: list[Member]
    prefer_other: list[Member]
    tie: list[Member]


@dataclass(frozen=True)
class SideBySide:
    responses: dict[str, Response]  # by letter
    tables: list[Table]  # by number of rankings, most first
    splits: list[Split]  # most even splits first


def side_by_side(prompt: Prompt) -> SideBySide:
    """Return all rankings of a prompt side by side, in a fixed number of queries."""
    responses = {letter(n): response for n, response in enumerate(prompt.responses.order_by("pk"))}
    letters = {response.pk: name for name, response in responses.items()}
    rankings = (
        Ranking.objects.filter(Q(is_current=True) | Q(origin=Origin.ADJUDICATED), prompt=prompt)
        .select_related("member")
        .prefetch_related("placements", "ratings")
        .order_by("member__name", "version")
    )
    by_set: defaultdict[str, list[Column]] = defaultdict(list)
    for ranking in rankings:
        by_set[ranking.responses_hash].append(make_column(ranking, letters))
    tables = [make_table(name, columns, responses) for name, columns in by_set.items()]
    tables.sort(key=lambda table: (-len(table.columns), min(table.by_letter.values())))
    counting = [one for table in tables for one in table.columns if one.counts]
    return SideBySide(responses, tables, find_splits(counting, letters))


def make_column(ranking: Ranking, letters: Mapping[int, str]) -> Column:
    ranks = ranking.ranks()
    all_ranks = list(ranks.values())
    rated = [rating for rating in ranking.ratings.all() if rating.score or rating.flags]
    rated.sort(key=lambda rating: rating.response_id)
    return Column(
        ranking=ranking,
        cells={
            pk: Cell(rank, rank != UNRANKED and all_ranks.count(rank) > 1)
            for pk, rank in ranks.items()
        },
        rated=[(letters[rating.response_id], rating) for rating in rated],
    )


def make_table(
    responses_hash: str, columns: Sequence[Column], responses: Mapping[str, Response]
) -> Table:
    """Return the table of the rankings of one set of responses."""
    by_letter = {
        letter: response.pk
        for letter, response in responses.items()
        if response.pk in columns[0].cells
    }
    own = [one for one in columns if one.ranking.origin != Origin.ADJUDICATED]
    all_adjudicated = [one for one in columns if one.ranking.origin == Origin.ADJUDICATED]
    adjudicated = next((one for one in all_adjudicated if one.ranking.is_current), None)
    earlier = [one for one in all_adjudicated if one is not adjudicated]
    # Rankings that are left out are shown but do not count; nor do surplus ones, unless there are
    # no others.
    kept = [one for one in own if not one.ranking.is_left_out]
    counting = [one for one in kept if not one.ranking.surplus] or kept
    majority_ranks = rank_by_majority(counting, by_letter)
    rows = [
        ResponseRow(
            letter=letter,
            response=responses[letter],
            cells=[one.cells[pk] for one in own],
            mean=mean_rank([one.cells[pk] for one in counting]),
            adjudicated=adjudicated.cells[pk] if adjudicated else None,
        )
        for letter, pk in by_letter.items()
    ]
    return Table(
        responses_hash=responses_hash,
        columns=own,
        adjudicated=adjudicated,
        earlier=sorted(earlier, key=lambda one: -one.ranking.pk),
        rows=sorted(rows, key=lambda row: majority_ranks.get(row.letter, 0)),
        by_letter=by_letter,
        majority=majority_ranks,
    )


def mean_rank(cells: Sequence[Cell]) -> float | None:
    """Return the mean of the ranks, or None if there are none or some are unranked."""
    if not cells or not all(cell.is_ranked for cell in cells):
        return None
    return sum(cell.rank for cell in cells) / len(cells)


def rank_by_majority(columns: Sequence[Column], by_letter: Mapping[str, int]) -> dict[str, int]:
    if not columns:
        return {}
    letters, responses = tuple(by_letter), by_letter.values()
    ranking = majority(
        [
            TrainingRanking(letters, tuple(one.cells[response].rank for response in responses))
            for one in columns
        ]
    )
    return dict(zip(letters, ranking.ranks, strict=True))


def pairs_ranked(columns: Sequence[Column], letters: Iterable[int]) -> list[tuple[int, int]]:
    """Return the pairs of responses that somebody ranked together, in the order of the letters.

    Other pairs are left out, because a prompt may have very many responses, of which each labeller
    ranks nine at most.
    """
    places = {pk: place for place, pk in enumerate(letters)}
    together = {
        pair
        for each in columns
        for pair in combinations(sorted(each.cells, key=places.__getitem__), 2)
    }
    return sorted(together, key=lambda pair: (places[pair[0]], places[pair[1]]))


def find_splits(columns: Sequence[Column], letters: Mapping[int, str]) -> list[Split]:
    """Return the pairs of responses that labellers order differently."""
    splits = []
    for one, other in pairs_ranked(columns, letters):
        sides: tuple[list[Member], list[Member], list[Member]] = ([], [], [])
        for each in columns:
            if one in each.cells and other in each.cells:
                rank, other_rank = each.cells[one].rank, each.cells[other].rank
                side = 2 if rank == other_rank else int(rank > other_rank)
                if min(rank, other_rank) != UNRANKED:
                    sides[side].append(each.ranking.member)
        # A labeller may have ranked several sets with this pair.
        first, second, tie = (list(dict.fromkeys(side)) for side in sides)
        if first and second and len({*first, *second}) > 1:
            pair = (letters[one], letters[other])
            if len(second) > len(first):
                first, second, pair = second, first, (pair[1], pair[0])
            splits.append(Split(*pair, first, second, tie))
    return sorted(splits, key=lambda split: len(split.prefer_one) - len(split.prefer_other))
