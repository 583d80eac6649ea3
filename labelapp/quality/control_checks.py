"""Checks: rankings beside those by which their labellers are measured, read as streams.

A labeller's own ranking beside the one they made of the same responses later on (consistency), and
a labeller's ranking beside the gold one of its prompt by somebody else (gold).
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

from django.db.models import Q

from labelapp.models import Assignment, Origin, Placement, Project, Ranking
from labelapp.quality.rankings import CHUNK

CONSISTENCY, GOLD = "consistency", "gold"


class Check(NamedTuple):
    """Two rankings of a prompt that should say the same, if its labeller ranks well."""

    kind: str
    member: int
    ranks: dict[int, int]  # response -> rank, 1 = best
    beside: dict[int, int]


def checks_by_prompt(project: Project) -> Iterator[list[Check]]:
    """All checks of a project, those of a kind and a prompt together, in three queries."""
    yield from repeated(project)
    yield from gold(project)


def repeated(project: Project) -> Iterator[list[Check]]:
    """What a labeller says of a prompt, beside what they said when it came again."""
    tasks = Assignment.objects.ranked().filter(repeat=True, prompt__project=project)
    # Few: a share of the tasks. In the database, a look for each ranking's task was very slow.
    ranked_again = set(tasks.values_list("prompt", "member"))
    if not ranked_again:
        return
    own = Q(is_current=True) & ~Q(origin=Origin.ADJUDICATED)
    rankings = Ranking.objects.filter(
        own | Q(origin=Origin.REPEATED), prompt__in=tasks.values("prompt")
    )
    for prompt, group in by_prompt(rankings, "origin"):
        first: dict[tuple[int, str], dict[int, int]] = {}
        again: dict[tuple[int, str], dict[int, int]] = {}
        for member, responses, origin, ranks in group:  # of several versions the last one stays
            (again if origin == Origin.REPEATED else first)[member, responses] = ranks
        both = [key for key in again if key in first and (prompt, key[0]) in ranked_again]
        if both:
            yield [Check(CONSISTENCY, key[0], again[key], first[key]) for key in both]


def gold(project: Project) -> Iterator[list[Check]]:
    """What labellers say of gold prompts, beside the gold rankings by others."""
    marked = Ranking.objects.filter(is_gold=True, prompt__project=project)
    counts = Q(is_current=True) & ~Q(origin=Origin.ADJUDICATED)
    rankings = Ranking.objects.filter(counts | Q(is_gold=True), prompt__in=marked.values("prompt"))
    for _, group in by_prompt(rankings, "is_gold"):
        given, beside = next((member, ranks) for member, _, is_gold, ranks in group if is_gold)
        checks = [
            Check(GOLD, member, ranks, beside)
            for member, _, is_gold, ranks in group
            if not is_gold and member != given
        ]
        if checks:
            yield checks


Row = tuple[int, str, Any, dict[int, int]]  # member, hash of the responses, a column, ranks


def by_prompt(rankings: Any, column: str) -> Iterator[tuple[int, list[Row]]]:
    """Rankings with a column of theirs, prompt by prompt, a member's in the order of versions."""
    rows = (
        Placement.objects.filter(ranking__in=rankings)
        .order_by("ranking__prompt", "ranking__member", "ranking__version", "ranking", "response")
        .values_list(
            *("ranking__prompt_id", "ranking_id", "ranking__member_id", "ranking__responses_hash"),
            *(f"ranking__{column}", "response_id", "rank"),
        )
    )
    for prompt, of_prompt in groupby(rows.iterator(chunk_size=CHUNK), key=itemgetter(0)):
        found = groupby(of_prompt, key=itemgetter(1, 2, 3, 4))
        yield (
            prompt,
            [
                (*ranking[1:], {row[5]: row[6] for row in placements})
                for ranking, placements in found
            ],
        )


def compared(check: Check) -> tuple[int, int]:
    """Of the pairs that both rankings rank apart: how many they order alike, and how many."""
    shared = sorted(check.ranks.keys() & check.beside.keys())
    agreed = pairs = 0
    for place, one in enumerate(shared):
        for other in shared[place + 1 :]:
            here = check.ranks[one] - check.ranks[other]
            there = check.beside[one] - check.beside[other]
            pairs += bool(here and there)
            agreed += here * there > 0
    return agreed, pairs


def summed(checks: Iterable[Check]) -> dict[tuple[int, str], Sequence[int]]:
    """The same of the checks of a prompt, by member and kind."""
    found: dict[tuple[int, str], Sequence[int]] = {}
    for check in checks:
        key = check.member, check.kind
        before = found.get(key, (0, 0))
        agreed, pairs = compared(check)
        found[key] = (before[0] + agreed, before[1] + pairs)
    return found
