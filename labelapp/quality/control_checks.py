"""Read the quality controls: rankings compared with a reference that measures their labeller.

On a repeated prompt, a labeller's second ranking is compared with their first (consistency). On a
gold prompt, their ranking is compared with the gold ranking by somebody else (gold).
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

from django.db.models import Q, QuerySet

from labelapp.models import Assignment, Origin, Placement, Project, Ranking, not_excluded
from labelapp.quality.rankings import CHUNK_SIZE

CONSISTENCY, GOLD = "consistency", "gold"


class ControlCheck(NamedTuple):
    """A ranking and the reference with which a good labeller agrees."""

    kind: str
    member: int
    ranks: dict[int, int]  # by response; 1 = best
    reference: dict[int, int]


def checks_by_prompt(project: Project) -> Iterator[list[ControlCheck]]:
    """Yield the checks of a project, grouped by kind and prompt, from three queries."""
    yield from consistency_checks(project)
    yield from gold_checks(project)


def consistency_checks(project: Project) -> Iterator[list[ControlCheck]]:
    """Yield the checks of labellers' latest repeated rankings against their current ones."""
    tasks = Assignment.objects.ranked().filter(repeat=True, prompt__project=project)
    # Repeated tasks are few, so they are held in memory: a subquery per ranking was very slow.
    ranked_again = set(tasks.values_list("prompt", "member"))
    if not ranked_again:
        return
    current = Q(is_current=True) & ~Q(origin=Origin.ADJUDICATED)
    rankings = Ranking.objects.filter(
        current | Q(origin=Origin.REPEATED), not_excluded(), prompt__in=tasks.values("prompt")
    )
    for prompt, group in by_prompt(rankings, "origin"):
        first: dict[tuple[int, str], dict[int, int]] = {}
        again: dict[tuple[int, str], dict[int, int]] = {}
        for member, responses, origin, ranks in group:  # a later version replaces an earlier one
            (again if origin == Origin.REPEATED else first)[member, responses] = ranks
        both = [key for key in again if key in first and (prompt, key[0]) in ranked_again]
        if both:
            yield [ControlCheck(CONSISTENCY, key[0], again[key], first[key]) for key in both]


def gold_checks(project: Project) -> Iterator[list[ControlCheck]]:
    """Yield the checks of labellers' rankings against gold rankings by others."""
    gold = Ranking.objects.filter(not_excluded(), is_gold=True, prompt__project=project)
    current = Q(is_current=True) & ~Q(origin=Origin.ADJUDICATED)
    rankings = Ranking.objects.filter(
        current | Q(is_gold=True), not_excluded(), prompt__in=gold.values("prompt")
    )
    for _, group in by_prompt(rankings, "is_gold"):
        author, reference = next((member, ranks) for member, _, is_gold, ranks in group if is_gold)
        checks = [
            ControlCheck(GOLD, member, ranks, reference)
            for member, _, is_gold, ranks in group
            if not is_gold and member != author
        ]
        if checks:
            yield checks


RankingRow = tuple[int, str, Any, dict[int, int]]  # member, responses' hash, a column, ranks


def by_prompt(rankings: QuerySet[Ranking], column: str) -> Iterator[tuple[int, list[RankingRow]]]:
    """Yield rankings with the value of `column` by prompt, ordered by member and version."""
    rows = (
        Placement.objects.filter(ranking__in=rankings)
        .order_by("ranking__prompt", "ranking__member", "ranking__version", "ranking", "response")
        .values_list(
            "ranking__prompt_id",
            "ranking_id",
            "ranking__member_id",
            "ranking__responses_hash",
            f"ranking__{column}",
            "response_id",
            "rank",
        )
    )
    for prompt, prompt_rows in groupby(rows.iterator(chunk_size=CHUNK_SIZE), key=itemgetter(0)):
        by_ranking = groupby(prompt_rows, key=itemgetter(1, 2, 3, 4))
        yield (
            prompt,
            [
                (*ranking[1:], {row[5]: row[6] for row in placements})
                for ranking, placements in by_ranking
            ],
        )


def count_agreement(check: ControlCheck) -> tuple[int, int]:
    """Count the pairs ordered alike, and the pairs that both rankings rank apart."""
    shared = sorted(check.ranks.keys() & check.reference.keys())
    agreed = pairs = 0
    for place, one in enumerate(shared):
        for other in shared[place + 1 :]:
            difference = check.ranks[one] - check.ranks[other]
            expected = check.reference[one] - check.reference[other]
            pairs += bool(difference and expected)
            agreed += difference * expected > 0
    return agreed, pairs


def sum_agreement(checks: Iterable[ControlCheck]) -> dict[tuple[int, str], Sequence[int]]:
    """Return the sums of count_agreement over the checks of a prompt, by member and kind."""
    sums: dict[tuple[int, str], Sequence[int]] = {}
    for check in checks:
        key = check.member, check.kind
        before = sums.get(key, (0, 0))
        agreed, pairs = count_agreement(check)
        sums[key] = (before[0] + agreed, before[1] + pairs)
    return sums
