"""Count the rankings, prompts and labellers that a run would have."""

from dataclasses import dataclass
from hashlib import sha256

from django.db.models import Case, Count, Exists, OuterRef, Q, QuerySet, Sum, When

from labelapp.db.cache import cached
from labelapp.models import Origin, Project, Ranking
from labelapp.runs.asked_for import asked_for, comparing_sources
from training.aggregation import EVERY_RANKING, RankingFilter
from training.rankings import Aggregation


@dataclass(frozen=True)
class DataCounts:
    """The numbers of rankings, prompts and labellers, training and held-out together."""

    rankings: int
    prompts: int
    labellers: int


def data_counts(
    project: Project, aggregation: Aggregation, rankings: RankingFilter = EVERY_RANKING
) -> DataCounts:
    """Return the numbers of the rankings of a project that count, of a minute ago if many."""
    asked = sha256(f"{aggregation} {rankings}".encode()).hexdigest()
    return cached(
        f"data-{project.pk}-{asked}",
        lambda: count_data(project, aggregation, rankings),
        lambda found: found.rankings,
    ).value


def count_data(project: Project, aggregation: Aggregation, rankings: RankingFilter) -> DataCounts:
    """Return the numbers of the rankings of a project that count."""
    current = Ranking.objects.counting().filter(prompt__project=project)
    current = current.filter(asked_for(rankings), comparing_sources(rankings, project))
    found = current.aggregate(
        rankings=Count("pk"),
        prompts=Count("prompt", distinct=True),
        labellers=Count("member", distinct=True),
    )
    if aggregation != "all":
        found["rankings"] = chosen(current, aggregation)
    return DataCounts(**found)


def labellers(project: Project, rows: int) -> list[tuple[int, str]]:
    """Return the key and the name of each member who has a ranking that counts, by name.

    They are cached for a minute where many `rows` are read for them, about one for each ranking.
    """
    ranked = Exists(Ranking.objects.counting().filter(member=OuterRef("pk")))
    members = project.members.filter(ranked).order_by("name").values_list("pk", "name")
    return cached(f"labellers-{project.pk}", lambda: list(members), lambda _: rows).value


def chosen(current: QuerySet[Ranking], aggregation: Aggregation) -> int:
    """Return how many rankings are left: of each set of responses, the majority or the decision.

    Sets that are the same only once they are narrowed to some sources are counted one by one.
    """
    adjudicated = Q(origin=Origin.ADJUDICATED)
    by_set = current.values("prompt", "responses_hash").annotate(
        own=Count("pk", filter=~adjudicated), decided=Count("pk", filter=adjudicated)
    )
    if aggregation == "majority":
        return by_set.filter(own__gt=0).count()
    rankings = Case(When(decided__gt=0, then="decided"), default="own")
    total = by_set.annotate(left=rankings).aggregate(total=Sum("left"))["total"]
    return int(total or 0)
