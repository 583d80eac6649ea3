"""Sum up what each labeller does, compared with the others and with what is expected.

docs/quality.md defines the figures.
"""

from array import array
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
from django.utils.translation import gettext_noop

from labelapp.models import MAX_RESPONSES
from labelapp.quality.bootstrap import Floats, PairSums, Sums, figure, ratio
from labelapp.quality.control_checks import CONSISTENCY, GOLD, ControlCheck, sum_agreement
from labelapp.quality.rankings import MeasuredRanking
from labelapp.quality.results import Figure, LabellerFigures
from training.rankings import UNRANKED

# The shares that rankings are summed to: tied pairs of all pairs; of the pairs ranked apart, those
# whose better response was shown first, if the order is known; and those whose better response is
# longer, if the lengths differ.
SHARES = ("ties", "first", "longer")


def no_wins() -> Floats:
    """Return zero counts (V, V) of how often one place was ranked before another."""
    return np.zeros((MAX_RESPONSES, MAX_RESPONSES))


class LabellerStats:
    """Sums over prompts for each labeller. The key None holds all labellers together."""

    def __init__(self) -> None:
        self.rankings: Counter[int] = Counter()
        self.seconds: defaultdict[int, array[float]] = defaultdict(lambda: array("d"))
        self.characters: defaultdict[int, array[float]] = defaultdict(lambda: array("d"))
        self.wins_by_place: defaultdict[int, Floats] = defaultdict(no_wins)
        self.agreed: defaultdict[int, Sums] = defaultdict(Sums)
        self.agreed_with = PairSums()
        self.sums: defaultdict[tuple[int | None, str], Sums] = defaultdict(Sums)
        self.checked: set[tuple[int | None, str]] = set()  # members with a check of a kind

    def add(self, rankings: Sequence[MeasuredRanking]) -> None:
        """Add all rankings of a prompt."""
        sums: defaultdict[int | None, Floats] = defaultdict(lambda: np.zeros(2 * len(SHARES)))
        for ranking in rankings:
            self.rankings[ranking.member] += 1
            if ranking.seconds is not None:
                self.seconds[ranking.member].append(ranking.seconds)
                characters = sum((ranking.lengths or {}).values())
                self.characters[ranking.member].append(characters)
            if ranking.places is not None:
                self.add_places(ranking, ranking.places)
            row = count_shares(ranking)
            sums[ranking.member] += row
            sums[None] += row
        for member, row in sums.items():
            for name, (part, whole) in zip(SHARES, row.reshape(-1, 2), strict=True):
                if whole:
                    self.sums[member, name].add(part, whole)

    def add_places(self, ranking: MeasuredRanking, places: Mapping[int, int]) -> None:
        """Count which places were ranked before which."""
        in_order = sorted(ranking.ranks, key=places.__getitem__)
        ranks_K = np.array([ranking.ranks[response] for response in in_order])
        size = len(ranks_K)
        self.wins_by_place[ranking.member][:size, :size] += ranks_K[:, None] < ranks_K[None, :]

    def add_agreement(self, member: int, agreed: float, pairs: float) -> None:
        """Add a labeller's agreement with the others on a prompt."""
        if pairs:
            self.agreed[member].add(agreed, pairs)

    def add_checks(self, checks: Sequence[ControlCheck]) -> None:
        """Add the checks of one kind on one prompt."""
        together = np.zeros(2)
        for (member, kind), counts in sum_agreement(checks).items():
            self.checked |= {(member, kind), (None, kind)}
            together += counts
            if counts[1]:
                self.sums[member, kind].add(*counts)
        if together[1]:
            self.sums[None, checks[0].kind].add(*together)

    def people(self, *, together: Figure, why_none: str) -> list[LabellerFigures]:
        """Return the figures of each labeller, most rankings first, and of all at the end.

        `together` is the agreement of all, and `why_none` the reason why there is none.
        """
        members = self.rankings.keys() | {member for member, _ in self.checked if member}
        people = [
            self.figures(
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
                    undefined=gettext_noop("Nobody else ranked the same responses apart."),
                ),
            )
            for member in sorted(members, key=lambda member: (-self.rankings[member], member))
        ]
        if people:
            seconds = array("d", (second for times in self.seconds.values() for second in times))
            total = self.rankings.total()
            people.append(self.figures(None, rankings=total, seconds=seconds, agreement=together))
        return people

    def figures(
        self, member: int | None, *, rankings: int, seconds: "array[float]", agreement: Figure
    ) -> LabellerFigures:
        return LabellerFigures(
            member=member,
            rankings=rankings,
            median_seconds=float(np.median(seconds)) if seconds else None,
            agreement=agreement,
            ties=self.share(member, "ties", gettext_noop("No pairs to compare.")),
            first=self.share(member, "first", gettext_noop("The order shown is unknown."), 0.5),
            longer=self.share(member, "longer", gettext_noop("No lengths to compare.")),
            consistency=self.check(
                member, CONSISTENCY, gettext_noop("No repeated prompt ranked yet.")
            ),
            gold=self.check(member, GOLD, gettext_noop("No gold prompt ranked yet.")),
        )

    def check(self, member: int | None, kind: str, none_yet: str) -> Figure:
        tied = gettext_noop("In every pair, at least one of the two rankings is a tie.")
        return self.share(member, kind, tied if (member, kind) in self.checked else none_yet, 0.5)

    def share(
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


def count_shares(ranking: MeasuredRanking) -> Floats:
    """Return a ranking's part and whole of each of SHARES."""
    tied = apart = first = uneven = longer = 0
    places, lengths = ranking.places, ranking.lengths
    for (one, rank), (other, other_rank) in combinations(ranking.ranks.items(), 2):
        if rank == other_rank:
            tied += rank != UNRANKED
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
