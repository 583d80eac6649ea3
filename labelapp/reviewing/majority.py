"""The order of the labellers' majority on a prompt, and how a model's rewards contradict it."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from training.aggregation import majority
from training.rankings import UNRANKED, Identifier, Ranking

Pair = tuple[Identifier, Identifier]


@dataclass(frozen=True)
class Votes:
    """The rankings that prefer the first response of a pair, the second, and that tie them."""

    first: int = 0
    second: int = 0
    ties: int = 0

    @property
    def total(self) -> int:
        return self.first + self.second + self.ties

    @property
    def lead(self) -> float:
        """Return how certain people prefer the first response, from -1 to 1.

        It is the mean, given the votes and Laplace's rule of succession, of the difference between
        the shares of people who prefer the first and the second. Few votes are near 0.
        """
        return (self.first - self.second) / (self.total + 2)

    @property
    def is_split(self) -> bool:
        """Return True if one ranking prefers the first response and another the second."""
        return bool(self.first and self.second)

    def is_against(self, lead: float) -> bool:
        """Return True if more than half of the rankings contradict the first response's lead."""
        contradicting = self.second if lead > 0 else self.first if lead < 0 else 0
        return 2 * contradicting > self.total


def majority_ranks(rankings: Sequence[Ranking]) -> dict[Identifier, int]:
    """Return the majority's rank of each response, of the set that most labellers ranked.

    `rankings` are the labellers' own; responses that nobody ranked are left out.
    """
    by_set: dict[frozenset[Identifier], list[Ranking]] = defaultdict(list)
    for ranking in rankings:
        by_set[frozenset(ranking.responses)].append(ranking)
    if not by_set:
        return {}
    chosen = majority(max(by_set.values(), key=len))
    ranks = zip(chosen.responses, chosen.ranks, strict=True)
    return {response: rank for response, rank in ranks if rank != UNRANKED}


def votes(rankings: Iterable[Ranking]) -> dict[Pair, Votes]:
    """Return what rankings say on each pair of responses, in the order of the responses' keys.

    Two unranked responses are not compared.
    """
    counts: dict[Pair, list[int]] = defaultdict(lambda: [0, 0, 0])
    for ranking in rankings:
        ranks = dict(sorted(zip(ranking.responses, ranking.ranks, strict=True)))
        for (one, rank), (other, other_rank) in combinations(ranks.items(), 2):
            if rank == other_rank == UNRANKED:
                continue
            counts[one, other][2 if rank == other_rank else int(rank > other_rank)] += 1
    return {pair: Votes(*found) for pair, found in counts.items()}


def margin(found: Mapping[Pair, Votes], rewards: Mapping[Identifier, float]) -> float:
    """Return the largest lead in reward of a response over one that people prefer to it.

    Each lead is multiplied by the certainty of people's preference. It is 0 where the rewards
    contradict people nowhere.
    """
    leads = (
        (rewards[second] - rewards[first]) * votes.lead for (first, second), votes in found.items()
    )
    return max([0.0, *leads])
