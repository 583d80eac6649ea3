"""Measure the scores and flags that labellers gave to the responses of each source."""

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
from django.db.models import Count, Exists, OuterRef, Q

from labelapp.models import Origin, Placement, Project, Rating, counting
from labelapp.reviewing.resampling import group_means
from labelapp.reviewing.results import Estimate, SourceRatings

CHUNK_SIZE = 2000  # rows in memory


def source_ratings(project: Project) -> list[SourceRatings]:
    """Return the ratings by source, of those that have any; in the order of their names.

    A share of flags is of the times that a labeller ranked a response of the source. Rankings that
    were imported without ratings are left out: nobody could flag in them.
    """
    flags: defaultdict[str, Counter[str]] = defaultdict(Counter)
    scores: list[tuple[int, str, int]] = []  # prompt, source, score
    given = Rating.objects.filter(counting("ranking__"), ranking__prompt__project=project).exclude(
        response__source=""
    )
    rows = given.values_list("ranking__prompt", "response__source", "score", "flags")
    for prompt, source, score, flagged in rows.iterator(chunk_size=CHUNK_SIZE):
        flags[source].update(set(flagged))
        if score is not None:
            scores.append((prompt, source, score))
    ranked = times_ranked(project) if flags else {}
    means, numbers = mean_scores(scores), Counter(source for _, source, _ in scores)
    return [
        SourceRatings(
            source=source,
            ranked=ranked[source],
            scores=numbers[source],
            mean_score=mean.value if (mean := means.get(source)) else None,
            flags=dict(flags[source]),
            score_low=mean.low if mean else None,
            score_high=mean.high if mean else None,
        )
        for source in sorted(flags)
        if flags[source] or numbers[source]
    ]


def mean_scores(scores: Sequence[tuple[int, str, int]]) -> dict[str, Estimate]:
    """Return the mean score of each source, with its interval over prompts."""
    if not scores:
        return {}
    prompts, sources, values = zip(*scores, strict=True)
    names, codes = np.unique(np.array(sources), return_inverse=True)
    means = group_means(np.array(prompts), codes, np.array(values, dtype=float), len(names))
    return dict(zip(names.tolist(), means, strict=True))


def times_ranked(project: Project) -> dict[str, int]:
    """Return how often labellers who could flag ranked a response of each source."""
    has_ratings = Exists(Rating.objects.filter(ranking=OuterRef("ranking")))
    placements = Placement.objects.filter(
        counting("ranking__"),
        ~Q(ranking__origin=Origin.IMPORTED) | has_ratings,
        ranking__prompt__project=project,
    )
    return dict(placements.values_list("response__source").annotate(Count("pk")))
