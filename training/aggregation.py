"""Choose the rankings of a prompt that count: all, the majority, or adjudicated ones first.

Standard library only: the web imports this file.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from training.rankings import UNRANKED, Aggregation, Identifier, Ranking


def choose(rankings: Sequence[Ranking], aggregation: Aggregation) -> list[Ranking]:
    """Return the rankings of a prompt that count, in the order given.

    `all`: every one. `majority`: for each set of responses, one ranking made of the labellers' own.
    `adjudicated`: for each set of responses, its adjudicated ranking alone where it has one.
    """
    if aggregation == "all":
        return list(rankings)
    by_set: dict[frozenset[Identifier], list[Ranking]] = {}
    for ranking in rankings:
        by_set.setdefault(frozenset(ranking.responses), []).append(ranking)
    chosen: list[Ranking] = []
    for of_set in by_set.values():
        own = [ranking for ranking in of_set if ranking.kind == "own"]
        adjudicated = [ranking for ranking in of_set if ranking.kind == "adjudicated"]
        if aggregation == "adjudicated":
            chosen += adjudicated or own
        elif own:
            chosen.append(majority(own))
    return chosen


def majority(rankings: Sequence[Ranking]) -> Ranking:
    """Return one ranking of what most labellers say, or the single ranking there is.

    All must rank the same responses. By Copeland's rule (Copeland 1951; Brandt et al. 2016,
    Handbook of Computational Social Choice, section 3.2): of two responses one beats the other
    where more labellers rank it higher than lower, and a response's score is how many it beats less
    how many beat it. Equal scores tie. Responses that nobody ranked stay unranked.
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
    unranked = {name for name in scores if all(row[name] == UNRANKED for row in rows)}
    return Ranking(
        responses=first.responses,
        ranks=tuple(
            UNRANKED if name in unranked else places[score] + 1 for name, score in scores.items()
        ),
        labeller=f"majority of {len(rankings)}",
        kind="majority",
    )
