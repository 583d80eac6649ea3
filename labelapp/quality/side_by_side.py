"""The verdicts on a prompt side by side: a matrix for each set of responses that was ranked."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from django.db.models import Q

from labelapp.models import Origin, Prompt, Ranking, Rating, Response
from labelapp.rendering.letters import letter
from training.aggregation import majority
from training.rankings import Ranking as JudgedRanking


@dataclass(frozen=True)
class Cell:
    """What a verdict says of a response."""

    rank: int
    tied: bool


@dataclass(frozen=True)
class Column:
    """A verdict."""

    ranking: Ranking
    cells: dict[int, Cell]  # by response
    rated: list[tuple[str, Rating]]  # scores and flags, by letter

    @property
    def name(self) -> str:
        return self.ranking.member.name

    @property
    def says_more(self) -> bool:
        return bool(self.ranking.note or self.ranking.all_bad or self.rated)


@dataclass(frozen=True)
class Line:
    """A response with what every verdict says of it."""

    letter: str
    response: Response
    cells: list[Cell]  # in the order of the columns
    mean: float | None  # of the labellers' ranks
    adjudicated: Cell | None


@dataclass(frozen=True)
class Matrix:
    """All verdicts on one set of responses."""

    responses_hash: str
    columns: list[Column]  # the labellers'
    adjudicated: Column | None
    earlier: list[Column]  # adjudicated before, then replaced or taken back; the newest first
    lines: list[Line]  # best first, as most labellers have it
    by_letter: dict[str, int]  # the responses, in the order of their letters
    majority: dict[str, int]  # rank by letter, as most labellers have it; empty without labellers

    @property
    def verdicts(self) -> list[Column]:
        """Every verdict that counts, the adjudicated one at the end."""
        return [*self.columns, *([self.adjudicated] if self.adjudicated else [])]


@dataclass(frozen=True)
class Split:
    """A pair of responses that labellers order differently, by letter."""

    one: str
    other: str
    prefer_one: list[str]  # names
    prefer_other: list[str]
    tie: list[str]


@dataclass(frozen=True)
class SideBySide:
    responses: dict[str, Response]  # by letter
    matrices: list[Matrix]  # those with the most verdicts first
    splits: list[Split]  # those first on which labellers are split most evenly


def side_by_side(prompt: Prompt) -> SideBySide:
    """Everything that was said of a prompt, in a fixed number of queries."""
    responses = {letter(n): response for n, response in enumerate(prompt.responses.order_by("pk"))}
    letters = {response.pk: name for name, response in responses.items()}
    found = (
        Ranking.objects.filter(Q(is_current=True) | Q(origin=Origin.ADJUDICATED), prompt=prompt)
        .select_related("member")
        .prefetch_related("placements", "ratings")
        .order_by("member__name", "version")
    )
    by_set: defaultdict[str, list[Column]] = defaultdict(list)
    for ranking in found:
        by_set[ranking.responses_hash].append(column(ranking, letters))
    matrices = [matrix(name, columns, responses) for name, columns in by_set.items()]
    matrices.sort(key=lambda one: (-len(one.columns), min(one.by_letter.values())))
    own = [each for one in matrices for each in one.columns if not each.ranking.surplus]
    return SideBySide(responses, matrices, splits(own, letters))


def column(ranking: Ranking, letters: Mapping[int, str]) -> Column:
    ranks = ranking.ranks()
    held = list(ranks.values())
    rated = [rating for rating in ranking.ratings.all() if rating.score or rating.flags]
    rated.sort(key=lambda rating: rating.response_id)
    return Column(
        ranking=ranking,
        cells={pk: Cell(rank, held.count(rank) > 1) for pk, rank in ranks.items()},
        rated=[(letters[rating.response_id], rating) for rating in rated],
    )


def matrix(name: str, columns: Sequence[Column], responses: Mapping[str, Response]) -> Matrix:
    """The verdicts on one set of responses, given its hash."""
    by_letter = {
        letter: response.pk
        for letter, response in responses.items()
        if response.pk in columns[0].cells
    }
    own = [one for one in columns if one.ranking.origin != Origin.ADJUDICATED]
    judged = [one for one in columns if one.ranking.origin == Origin.ADJUDICATED]
    adjudicated = next((one for one in judged if one.ranking.is_current), None)
    # Surplus rankings are shown and do not count, unless there are no others.
    counting = [one for one in own if not one.ranking.surplus] or own
    majority = majority_of(counting, by_letter)
    lines = [
        Line(
            letter=letter,
            response=responses[letter],
            cells=[one.cells[pk] for one in own],
            mean=sum(one.cells[pk].rank for one in counting) / len(counting) if own else None,
            adjudicated=adjudicated.cells[pk] if adjudicated else None,
        )
        for letter, pk in by_letter.items()
    ]
    return Matrix(
        responses_hash=name,
        columns=own,
        adjudicated=adjudicated,
        earlier=sorted(
            (one for one in judged if one is not adjudicated), key=lambda one: -one.ranking.pk
        ),
        lines=sorted(lines, key=lambda line: majority.get(line.letter, 0)),
        by_letter=by_letter,
        majority=majority,
    )


def majority_of(columns: Sequence[Column], by_letter: Mapping[str, int]) -> dict[str, int]:
    if not columns:
        return {}
    found = majority(
        [
            JudgedRanking(tuple(by_letter), tuple(one.cells[pk].rank for pk in by_letter.values()))
            for one in columns
        ]
    )
    return dict(zip(by_letter, found.ranks, strict=True))


def pairs_of(columns: Sequence[Column], letters: Iterable[int]) -> list[tuple[int, int]]:
    """The pairs of responses that somebody ranked together, in the order of the letters.

    A prompt may have very many responses, of which each labeller saw nine at most.
    """
    places = {pk: place for place, pk in enumerate(letters)}
    together = {
        pair
        for each in columns
        for pair in combinations(sorted(each.cells, key=places.__getitem__), 2)
    }
    return sorted(together, key=lambda pair: (places[pair[0]], places[pair[1]]))


def splits(columns: Sequence[Column], letters: Mapping[int, str]) -> list[Split]:
    """The pairs of responses that some labellers order one way and some the other."""
    found = []
    for one, other in pairs_of(columns, letters):
        sides: tuple[list[str], list[str], list[str]] = ([], [], [])
        for each in columns:
            if one in each.cells and other in each.cells:
                rank, other_rank = each.cells[one].rank, each.cells[other].rank
                side = 2 if rank == other_rank else int(rank > other_rank)
                sides[side].append(each.name)
        first, second, tie = (list(dict.fromkeys(side)) for side in sides)  # several draws of one
        if first and second and len({*first, *second}) > 1:
            pair = (letters[one], letters[other])
            if len(second) > len(first):
                first, second, pair = second, first, (pair[1], pair[0])
            found.append(Split(*pair, first, second, tie))
    return sorted(found, key=lambda split: len(split.prefer_one) - len(split.prefer_other))
