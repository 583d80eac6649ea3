"""A ranking as comparisons, and prompts as the two sides of a split.

Standard library only: the web imports this file.
"""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal, NamedTuple

Ties = Literal["drop", "half", "davidson"]
Verdicts = Literal["all", "majority", "adjudicated"]
Kind = Literal["own", "adjudicated", "majority"]
"""Whose verdict: a labeller's own; that of one who saw those; what most of those say."""
Identifier = int | str
Message = dict[str, str]
"""{"role": ..., "content": ...}"""


class Comparison(NamedTuple):
    """One pair of responses of a ranking, by their places in its list of ranks."""

    better: int
    worse: int
    target: float
    """Probability that `better` is the preferred one: 1, or one half for a tie."""


class Agreement(NamedTuple):
    """How often scores order a ranking's comparisons as its labeller did."""

    agreed: float
    """Comparisons ordered alike; equal scores count one half."""
    comparisons: int


@dataclass(frozen=True, slots=True)
class Ranking:
    """One labeller's verdict on some responses to one prompt."""

    responses: tuple[Identifier, ...]
    ranks: tuple[int, ...]
    """Rank of each response, 1 = best. Tied responses share a rank."""
    labeller: str | None = None
    kind: Kind = "own"

    def __post_init__(self) -> None:
        if len(self.responses) != len(self.ranks):
            raise ValueError(f"{len(self.responses)} responses but {len(self.ranks)} ranks")
        if any(rank < 1 for rank in self.ranks):
            raise ValueError(f"a rank is at least 1, got {min(self.ranks)}")

    def comparisons(self, ties: Ties = "drop") -> list[Comparison]:
        return comparisons(self.ranks, ties)

    def has_comparison(self) -> bool:
        return has_comparison(self.ranks)


def has_comparison(ranks: Sequence[int]) -> bool:
    """False when all are tied, or when there are fewer than two."""
    return len(set(ranks)) > 1


def comparisons(ranks: Sequence[int], ties: Ties = "drop") -> list[Comparison]:
    """All pairs with different ranks, the better one first (arXiv 2203.02155, section 3.5).

    Unless ties are dropped a tied pair is a comparison too, with a target of one half. An all-tied
    ranking says nothing on what is better, and gives no comparison either way.
    """
    if not has_comparison(ranks):
        return []
    found = []
    for first in range(len(ranks)):
        for second in range(first + 1, len(ranks)):
            if ranks[first] < ranks[second]:
                found.append(Comparison(first, second, 1.0))
            elif ranks[first] > ranks[second]:
                found.append(Comparison(second, first, 1.0))
            elif ties != "drop":
                found.append(Comparison(first, second, 0.5))
    return found


def agreement(ranks: Sequence[int], scores: Sequence[float]) -> Agreement:
    """Compare scores (higher = better) with ranks (1 = best), tied ranks left out."""
    pairs = comparisons(ranks)
    agreed = sum(
        1.0 if scores[pair.better] > scores[pair.worse] else 0.5
        for pair in pairs
        if scores[pair.better] >= scores[pair.worse]
    )
    return Agreement(float(agreed), len(pairs))


def choose(rankings: Sequence[Ranking], verdicts: Verdicts) -> list[Ranking]:
    """Which rankings of a prompt count.

    `all` of them; of each set of responses the `majority` of the labellers' own as one ranking; or,
    where a set has an `adjudicated` ranking, that alone. The order is that of the rankings given.
    """
    if verdicts == "all":
        return list(rankings)
    by_set: dict[frozenset[Identifier], list[Ranking]] = {}
    for ranking in rankings:
        by_set.setdefault(frozenset(ranking.responses), []).append(ranking)
    chosen: list[Ranking] = []
    for of_set in by_set.values():
        own = [ranking for ranking in of_set if ranking.kind == "own"]
        adjudicated = [ranking for ranking in of_set if ranking.kind == "adjudicated"]
        if verdicts == "adjudicated":
            chosen += adjudicated or own
        elif own:
            chosen.append(majority(own))
    return chosen


def majority(rankings: Sequence[Ranking]) -> Ranking:
    """One ranking of what most labellers say; a single ranking stays itself.

    All must rank the same responses. By Copeland's rule (Copeland 1951; Brandt et al. 2016,
    Handbook of Computational Social Choice, section 3.2): of two responses one beats the other
    where more labellers rank it higher than lower, and a response's score is how many it beats less
    how many beat it. Equal scores tie.
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
    return Ranking(
        responses=first.responses,
        ranks=tuple(places[score] + 1 for score in scores.values()),
        labeller=f"majority of {len(rankings)}",
        kind="majority",
    )


def prompt_hash(messages: Iterable[Message]) -> str:
    """SHA-256, in hex, of a prompt's roles and contents."""
    plain = [[message["role"], message["content"]] for message in messages]
    return hashlib.sha256(
        json.dumps(plain, ensure_ascii=False).encode("utf-8", "surrogatepass")
    ).hexdigest()


def split_position(content_hash: str, split: int = 0) -> float:
    """Where a prompt lies in [0, 1): depends only on its hash and the number of the split."""
    digest = hashlib.sha256(f"{split}:{content_hash}".encode()).digest()
    # 53 bits, what a float holds exactly, so that 1.0 is never reached by rounding.
    return (int.from_bytes(digest[:8], "big") >> 11) / 2**53


def held_out_hashes(
    content_hashes: Iterable[str], fraction: float, split: int = 0, folds: int = 0
) -> frozenset[str]:
    """The prompts to hold out: those that lie below `fraction`; or, of `folds` equal parts, one.

    Without folds a prompt keeps its side as data grows, because no other prompt has a say in it.
    The one exception: from two prompts on neither side is empty, so the lowest is held out, or the
    highest kept, if need be. Labellers are held out in the same way, by their names.
    """
    order = 0 if folds else split
    positions = sorted((split_position(text, order), text) for text in set(content_hashes))
    part = held_out_part([position for position, _ in positions], fraction, split, folds)
    return frozenset(text for _, text in positions[part])


def held_out_part(
    positions: Sequence[float], fraction: float, split: int = 0, folds: int = 0
) -> slice:
    """What `held_out_hashes` holds out of prompts in the order of their positions."""
    total = len(positions)
    if folds:
        return slice(split * total // folds, (split + 1) * total // folds)
    count = bisect_left(positions, fraction)
    return slice(min(max(count, 1), total - 1) if total > 1 else count)
