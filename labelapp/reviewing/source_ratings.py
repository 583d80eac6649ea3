"""The scores and flags that labellers gave to the responses of each source."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Exists, OuterRef, Q

from labelapp.models import Origin, Placement, Project, Rating, counting
from labelapp.reviewing.results import SourceRatings
from labelapp.runs.wilson import wilson

CHUNK_SIZE = 2000  # rows in memory


def source_ratings(project: Project) -> list[SourceRatings]:
    """Return the ratings by source, of those that have any; in the order of their names.

    A share of flags is of the times that a labeller ranked a response of the source. Rankings that
    were imported without ratings are left out: nobody could flag in them.
    """
    flags: defaultdict[str, Counter[str]] = defaultdict(Counter)
    scores: defaultdict[str, list[int]] = defaultdict(list)
    given = Rating.objects.filter(counting("ranking__"), ranking__prompt__project=project).exclude(
        response__source=""
    )
    rows = given.values_list("response__source", "score", "flags")
    for source, score, flagged in rows.iterator(chunk_size=CHUNK_SIZE):
        flags[source].update(set(flagged))
        if score is not None:
            scores[source].append(score)
    ranked = times_ranked(project) if flags else {}
    return [
        SourceRatings(
            source=source,
            ranked=ranked[source],
            scores=len(scores[source]),
            mean_score=sum(found) / len(found) if (found := scores[source]) else None,
            flags=dict(flags[source]),
        )
        for source in sorted(flags)
        if flags[source] or scores[source]
    ]


def times_ranked(project: Project) -> dict[str, int]:
    """Return how often labellers who could flag ranked a response of each source."""
    has_ratings = Exists(Rating.objects.filter(ranking=OuterRef("ranking")))
    placements = Placement.objects.filter(
        counting("ranking__"),
        ~Q(ranking__origin=Origin.IMPORTED) | has_ratings,
        ranking__prompt__project=project,
    )
    return dict(placements.values_list("response__source").annotate(Count("pk")))


@dataclass(frozen=True)
class FlagShare:
    """The share of the times that a source got a flag, with its 95 % interval.

    The interval takes each time for independent.
    """

    given: int
    share: float
    low: float
    high: float


def rating_table(ratings: Sequence[SourceRatings]) -> dict[str, Any]:
    """Return the flags that were given, and a row for each source with the share of each flag."""
    flags = sorted({flag for one in ratings for flag in one.flags})
    rows = [(one, [flag_share(one.flags, flag, one.ranked) for flag in flags]) for one in ratings]
    return {"flags": flags, "rows": rows, "has_scores": any(one.scores for one in ratings)}


def flag_share(flags: Mapping[str, int], flag: str, ranked: int) -> FlagShare:
    given = flags.get(flag, 0)
    return FlagShare(given, given / ranked, *wilson(given / ranked, ranked))
