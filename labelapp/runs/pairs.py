"""Pairs of held-out responses: who ranked them, and the rewards of a run."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from django.db.models import Exists, FloatField, OuterRef, Q, Subquery

from labelapp.models import Origin, Placement, Ranking, Score, TrainingRun, counting
from labelapp.models.jobs import is_number
from labelapp.runs.human_rank import HumanRank
from labelapp.runs.scores import aggregation_of


def counted(run: TrainingRun) -> Q:
    """Return the condition of the rankings that the run was evaluated on, by its aggregation."""
    adjudicated = Q(ranking__origin=Origin.ADJUDICATED)
    match aggregation_of(run):
        case "majority":
            return ~adjudicated
        case "adjudicated":
            decided = Ranking.objects.counting().filter(
                prompt=OuterRef("ranking__prompt"),
                responses_hash=OuterRef("ranking__responses_hash"),
                origin=Origin.ADJUDICATED,
            )
            return adjudicated | ~Q(Exists(decided))
        case _:
            return Q()


def reward(run: TrainingRun, response: str) -> Subquery:
    """Return a run's reward of the response that a column names."""
    scores = Score.objects.filter(run=run, response=OuterRef(response))
    return Subquery(scores.values("reward")[:1], output_field=FloatField())


def standard_deviation(run: TrainingRun) -> float:
    """Return the standard deviation of the held-out rewards, or 1 if it is not known."""
    found = run.held_out.get("reward_std")
    return float(found) if is_number(found) and found > 0 else 1.0


def mean_reward(run: TrainingRun) -> float:
    """Return the mean of the held-out rewards, or 0 if it is not known."""
    found = run.held_out.get("reward_mean")
    return float(found) if is_number(found) else 0.0


def human_ranks(run: TrainingRun, responses: Iterable[int]) -> Mapping[int, list[HumanRank]]:
    """Return the ranks that the run was judged on, by response."""
    placements = Placement.objects.filter(
        counted(run), counting("ranking__"), response__in=responses
    )
    rows: Iterable[Any] = placements.order_by("ranking__member__name", "ranking_id").values_list(
        "response_id", "ranking__member__name", "rank"
    )
    found: dict[int, list[HumanRank]] = defaultdict(list)
    for response, name, rank in rows:
        found[response].append(HumanRank.stored(name, rank))
    return found
