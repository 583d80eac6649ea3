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
    def is_split(self) -> bool:
        """Return True if one ranking prefers the first response and another the second."""
        return bool(self.first and self.second)


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


def margin(ranks: Mapping[Identifier, int], rewards: Mapping[Identifier, float]) -> float:
    """Return the largest lead in reward of a response over one that the majority prefers to it.

    It is 0 where the rewards contradict the majority nowhere.
    """
    return max([0.0, *leads_against(ranks, rewards)])


def leads_against(
    ranks: Mapping[Identifier, int], rewards: Mapping[Identifier, float]
) -> Iterable[float]:
    """Yield the lead in reward of the worse response of each pair that the majority orders."""
    for better, rank in ranks.items():
        for worse, other_rank in ranks.items():
            if rank < other_rank:
                yield rewards[worse] - rewards[better]
