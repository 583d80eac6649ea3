"""The rankings that the settings of a run ask for, as conditions of the database."""

from typing import Any

from django.db.models import Count, Q

from labelapp.models import Origin, Placement, Project
from training.aggregation import RankingFilter
from training.rankings import BY_COMMAND, RANKED_HERE


def asked_for(rankings: RankingFilter, ranking: str = "") -> Q:
    """Return the filter's conditions on a ranking, but for its sources.

    `ranking` is the path to it, as in "ranking__". training/data/database.py has the same ones.
    """
    conditions: dict[str, Any] = {}
    if rankings.labellers:
        conditions["member__name__in"] = rankings.labellers
    if rankings.first:
        conditions["created_at__gte"] = rankings.first
    if rankings.last:
        conditions["created_at__lte"] = rankings.last
    asked = Q(**{f"{ranking}{name}": value for name, value in conditions.items()})
    imported = Q(**{f"{ranking}origin": Origin.IMPORTED})
    if rankings.ranked_in != "all":
        asked &= imported if rankings.ranked_in == "imported" else ~imported
    if rankings.uploads:
        of_no_upload = Q(**{f"{ranking}upload": None})
        found = Q(**{f"{ranking}upload__in": rankings.upload_numbers})
        if RANKED_HERE in rankings.uploads:
            found |= of_no_upload & ~imported
        if BY_COMMAND in rankings.uploads:
            found |= of_no_upload & imported
        asked &= found
    return asked


def comparing_sources(rankings: RankingFilter, project: Project) -> Q:
    """Return the condition that a ranking has two responses of the sources, if any are given."""
    if not rankings.sources:
        return Q()
    of_sources = Placement.objects.filter(
        of_sources_given(rankings, "response"), response__prompt__project=project
    )
    ranked = of_sources.values("ranking").annotate(responses=Count("pk")).filter(responses__gte=2)
    return Q(pk__in=ranked.values("ranking"))


def of_sources_given(rankings: RankingFilter, response: str) -> Q:
    """Return the condition that a response is of one of the sources, if any are given."""
    return Q(**{f"{response}__source__in": rankings.sources}) if rankings.sources else Q()
