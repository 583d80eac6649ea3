"""Habits: what each labeller does, beside the others and beside what is to be expected.

docs/quality.md defines the figures.
"""

from array import array
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np

from labelapp.models import MAX_RESPONSES
from labelapp.quality.bootstrap import Floats, PairSums, Sums, figure, ratio
from labelapp.quality.control_checks import CONSISTENCY, GOLD, Check
from labelapp.quality.control_checks import summed as checked
from labelapp.quality.rankings import Ranked
from labelapp.quality.results import Figure, Person

# What a ranking is summed to: pairs tied, of all pairs; pairs where the one shown first is better,
# of those ranked apart whose places are known; where the longer one is, of those ranked apart whose
# lengths differ.
HABITS = ("ties", "first", "longer")


def no_places() -> Floats:
    """How often the response shown at a place was ranked before the one at another (V, V)."""
    return np.zeros((MAX_RESPONSES, MAX_RESPONSES))


class Habits:
    """Sums of every labeller, prompt by prompt. Under None stand all together."""

    def __init__(self) -> None:
        self.rankings: Counter[int] = Counter()
        self.seconds: defaultdict[int, array[float]] = defaultdict(lambda: array("d"))
        self.characters: defaultdict[int, array[float]] = defaultdict(lambda: array("d"))
        self.by_place: defaultdict[int, Floats] = defaultdict(no_places)
        self.agreed: defaultdict[int, Sums] = defaultdict(Sums)
        self.agreed_with = PairSums()
        self.sums: defaultdict[tuple[int | None, str], Sums] = defaultdict(Sums)
        self.checked: set[tuple[int | None, str]] = set()  # whose ranking stood beside another

    def add(self, ranked: Sequence[Ranked]) -> None:
        """Add a prompt with all its rankings."""
        found: defaultdict[int | None, Floats] = defaultdict(lambda: np.zeros(2 * len(HABITS)))
        for ranking in ranked:
            self.rankings[ranking.member] += 1
            if ranking.seconds is not None:
                self.seconds[ranking.member].append(ranking.seconds)
                characters = sum((ranking.lengths or {}).values())
                self.characters[ranking.member].append(characters)
            if ranking.places is not None:
                self.add_places(ranking, ranking.places)
            row = summed(ranking)
            found[ranking.member] += row
            found[None] += row
        for member, row in found.items():
            for name, (part, whole) in zip(HABITS, row.reshape(-1, 2), strict=True):
                if whole:
                    self.sums[member, name].add(part, whole)

    def add_places(self, ranking: Ranked, places: Mapping[int, int]) -> None:
        """Add which places were ranked before which."""
        in_order = sorted(ranking.ranks, key=places.__getitem__)
        ranks_K = np.array([ranking.ranks[response] for response in in_order])
        size = len(ranks_K)
        self.by_place[ranking.member][:size, :size] += ranks_K[:, None] < ranks_K[None, :]

    def add_agreement(self, member: int, agreed: float, pairs: float) -> None:
        """Add what a labeller and the others said of a prompt."""
        if pairs:
            self.agreed[member].add(agreed, pairs)

    def add_checks(self, checks: Sequence[Check]) -> None:
        """Add the checks of one kind and prompt."""
        together = np.zeros(2)
        for (member, kind), counts in checked(checks).items():
            self.checked |= {(member, kind), (None, kind)}
            together += counts
            if counts[1]:
                self.sums[member, kind].add(*counts)
        if together[1]:
            self.sums[None, checks[0].kind].add(*together)

    def people(self, *, together: Figure, why_none: str) -> list[Person]:
        """Who ranked most comes first; at the end stand all, who agree as `together`."""
        members = self.rankings.keys() | {member for member, _ in self.checked if member}
        found = [
            self.person(
                member,
                rankings=self.rankings[member],
                seconds=self.seconds[member],
                agreement=figure(
                    self.agreed[member],
                    name="agreement",
                    unit="comparisons",
                    count=int(self.agreed[member].total()[-1]),
                    statistic=ratio,
                    chance=0.5,
                    why_none=why_none,
                    undefined="Nobody else ranked the same apart.",
                ),
            )
            for member in sorted(members, key=lambda member: (-self.rankings[member], member))
        ]
        if found:
            seconds = array("d", (second for times in self.seconds.values() for second in times))
            total = self.rankings.total()
            found.append(self.person(None, rankings=total, seconds=seconds, agreement=together))
        return found

    def person(
        self, member: int | None, *, rankings: int, seconds: "array[float]", agreement: Figure
    ) -> Person:
        return Person(
            member=member,
            rankings=rankings,
            median_seconds=float(np.median(seconds)) if seconds else None,
            agreement=agreement,
            ties=self.habit(member, "ties", "No pairs to compare."),
            first=self.habit(member, "first", "The order shown is not known.", 0.5),
            longer=self.habit(member, "longer", "No lengths to compare."),
            consistency=self.check(member, CONSISTENCY, "No repeated prompt ranked yet."),
            gold=self.check(member, GOLD, "No gold prompt ranked yet."),
        )

    def check(self, member: int | None, kind: str, none_yet: str) -> Figure:
        tied = "Of every pair compared, one ranking or both tied the two."
        return self.habit(member, kind, tied if (member, kind) in self.checked else none_yet, 0.5)

    def habit(
        self, member: int | None, name: str, undefined: str, chance: float | None = None
    ) -> Figure:
        sums = self.sums[member, name]
        return figure(
            sums,
            name=name,
            unit="comparisons",
            count=int(sums.total()[-1]),
            statistic=ratio,
            chance=chance,
            undefined=undefined,
        )


def summed(ranking: Ranked) -> Floats:
    """What one ranking brings to HABITS: part and whole of each."""
    tied = apart = first = uneven = longer = 0
    places, lengths = ranking.places, ranking.lengths
    for (one, rank), (other, other_rank) in combinations(ranking.ranks.items(), 2):
        if rank == other_rank:
            tied += 1
            continue
        apart += 1
        better = rank < other_rank
        if places is not None:
            first += (places[one] < places[other]) == better
        if lengths is not None and lengths[one] != lengths[other]:
            uneven += 1
            longer += (lengths[one] > lengths[other]) == better
    placed = apart if places is not None else 0
    return np.array([tied, tied + apart, first, placed, longer, uneven], dtype=float)
