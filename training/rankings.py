"""A ranking as comparisons, and the hash of its prompt.

Standard library only: the web imports this file.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

Ties = Literal["drop", "half", "davidson"]
Aggregation = Literal["all", "majority", "adjudicated"]
RankedIn = Literal["all", "here", "imported"]
RANKED_HERE = "here"
BY_COMMAND = "command"
"""In place of the number of an upload: rankings made here, and those imported with a command."""
Kind = Literal["own", "adjudicated", "majority"]
"""A labeller's own; by somebody who saw those of the labellers; what most of these say."""
Identifier = int | str
Message = dict[str, str]
"""{"role": ..., "content": ...}"""

UNRANKED = 100
"""Rank of responses that their labeller left unranked: below the ranked ones, in no known order."""


class Comparison(NamedTuple):
    """Hold a pair of responses of a ranking, by their places in its list of ranks."""

    better: int
    worse: int
    target: float
    """Probability that `better` is the preferred one: 1, or one half for a tie."""


class Agreement(NamedTuple):
    """Count how often scores order a ranking's comparisons as its labeller did."""

    agreed: float
    """Comparisons ordered alike; equal scores count one half."""
    comparisons: int


@dataclass(frozen=True, slots=True)
class Ranking:
    """Hold one labeller's ranking of some responses to one prompt."""

    responses: tuple[Identifier, ...]
    ranks: tuple[int, ...]
    """Rank of each response, 1 = best. Tied responses share a rank. It may be UNRANKED."""
    labeller: str | None = None
    kind: Kind = "own"

    def __post_init__(self) -> None:
        if len(self.responses) != len(self.ranks):
            raise ValueError(f"{len(self.responses)} responses but {len(self.ranks)} ranks")
        if any(rank < 1 for rank in self.ranks):
            raise ValueError(f"a rank is at least 1, got {min(self.ranks)}")

    def comparisons(self, ties: Ties = "drop") -> list[Comparison]:
        """Return the pairs with different ranks, and tied ones unless they are dropped."""
        return comparisons(self.ranks, ties)

    def has_comparison(self) -> bool:
        """Return True unless all responses are tied."""
        return has_comparison(self.ranks)


def has_comparison(ranks: Sequence[int]) -> bool:
    """Return True unless all are tied or there are fewer than two."""
    return len(set(ranks)) > 1


def comparisons(
    ranks: Sequence[int], ties: Ties = "drop", groups: Sequence[int] = ()
) -> list[Comparison]:
    """Return all pairs with different ranks, the better first (arXiv 2203.02155, section 3.5).

    Unless ties are dropped a tied pair is a comparison too, with a target of one half. Two unranked
    responses are not compared. A ranking without a pair of different ranks says nothing on what is
    better, and gives no comparison.
    Responses with the same number in `groups` read the same and are not compared; without `groups`
    all differ.
    """
    found = []
    for first in range(len(ranks)):
        for second in range(first + 1, len(ranks)):
            if groups and groups[first] == groups[second]:
                continue
            if ranks[first] < ranks[second]:
                found.append(Comparison(first, second, 1.0))
            elif ranks[first] > ranks[second]:
                found.append(Comparison(second, first, 1.0))
            elif ties != "drop" and ranks[first] != UNRANKED:
                found.append(Comparison(first, second, 0.5))
    return found if any(pair.target == 1.0 for pair in found) else []


def below_the_ranked(ranks: Sequence[int]) -> tuple[int, ...]:
    """Return the ranks with that after the last one for UNRANKED, so that distances are known."""
    after = 1 + max((rank for rank in ranks if rank != UNRANKED), default=0)
    return tuple(after if rank == UNRANKED else rank for rank in ranks)


def agreement(
    ranks: Sequence[int], scores: Sequence[float], groups: Sequence[int] = ()
) -> Agreement:
    """Compare scores (higher = better) with ranks (1 = best), tied ranks left out.

    Pairs of the same number in `groups` are left out too.
    """
    pairs = comparisons(ranks, groups=groups)
    agreed = sum(
        1.0 if scores[pair.better] > scores[pair.worse] else 0.5
        for pair in pairs
        if scores[pair.better] >= scores[pair.worse]
    )
    return Agreement(float(agreed), len(pairs))


def prompt_hash(messages: Iterable[Message]) -> str:
    """Return the SHA-256, in hex, of a prompt's roles and contents."""
    plain = [[message["role"], message["content"]] for message in messages]
    return hashlib.sha256(
        json.dumps(plain, ensure_ascii=False).encode("utf-8", "surrogatepass")
    ).hexdigest()
