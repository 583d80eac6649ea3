"""Pairs of held-out responses: who ranked them, and the rewards of a run."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from django.db.models import Count, Exists, F, FloatField, OuterRef, Q, QuerySet, Subquery

from labelapp.db.bulk import pieces
from labelapp.models import (
    Origin,
    Placement,
    Prompt,
    PromptAgreement,
    Ranking,
    Score,
    TrainingRun,
    counting,
)
from labelapp.models.jobs import is_number
from labelapp.runs.asked_for import asked_for, of_sources_given
from labelapp.runs.human_rank import HumanRank
from labelapp.runs.scores import aggregation_of
from training.aggregation import RankingFilter

MOST_PROMPTS = 1000
"""Held-out prompts whose pairs a page looks at: all pairs of a large project take seconds."""
AT_ONCE = 250
"""Prompts whose scores are read at once: for more, PostgreSQL reads all scores of the run."""


class Votes(NamedTuple):
    """A pair of responses, and how many rankings prefer either of them."""

    prompt: int
    one: int
    other: int
    for_one: int
    for_other: int


class Sample(NamedTuple):
    """The held-out prompts that a page looks at, and the number that it could look at."""

    prompts: list[int]
    all_prompts: int

    @property
    def is_part(self) -> bool:
        return len(self.prompts) < self.all_prompts


def sample_held_out(*runs: TrainingRun, most: int) -> Sample:
    """Return the held-out prompts of all the runs, or so many of them, drawn at random.

    The same prompts every time: those whose hashes are first.
    """
    found = list(held_out_prompts(*runs))
    return Sample(found[:most], len(found))


def held_out_prompts(*runs: TrainingRun) -> QuerySet[Prompt, int]:
    """Return the keys of the ranked prompts that all the runs held out, in a random order."""
    held_out = PromptAgreement.objects.filter(held_out=True, comparisons__gt=0)
    prompts = Prompt.objects.filter(project=runs[0].project_id)
    for run in runs:
        prompts = prompts.filter(pk__in=held_out.filter(run=run).values("prompt"))
    return prompts.order_by("content_hash").values_list("pk", flat=True)  # by hash is random


def pair_votes(run: TrainingRun, prompts: Sequence[int]) -> Iterable[Votes]:
    """Return the pairs of responses of prompts that a ranking orders, in one query.

    Of the rankings that the run was evaluated on.
    """
    placements = Placement.objects.filter(
        counted(run), counting("ranking__"), ranking__prompt__in=prompts
    ).filter(other_counted(run), ranking__placements__response__gt=F("response"))
    rows = (
        placements.annotate(other=F("ranking__placements__response"))
        .values("ranking__prompt", "response", "other")
        .annotate(
            for_one=Count("pk", filter=Q(ranking__placements__rank__gt=F("rank"))),
            for_other=Count("pk", filter=Q(ranking__placements__rank__lt=F("rank"))),
        )
        .values_list("ranking__prompt", "response", "other", "for_one", "for_other")
    )
    return (Votes(*row) for row in rows.iterator() if row[3] or row[4])


def rewards_of(run: TrainingRun, prompts: Sequence[int]) -> Mapping[int, float]:
    """Return a run's rewards of the responses to prompts, by response."""
    return dict(scores_of(run, prompts, "response", "reward"))


def scores_of(run: TrainingRun, prompts: Sequence[int], *fields: str) -> Iterator[Any]:
    """Yield some fields of a run's scores of the responses to prompts."""
    for keys in pieces(prompts, AT_ONCE):
        scores = Score.objects.filter(run=run, response__prompt__in=keys)
        yield from scores.values_list(*fields)


def counted(run: TrainingRun) -> Q:
    """Return the condition of the placements that the run was evaluated on, by its settings."""
    rankings = RankingFilter.of(run.config)
    asked = asked_for(rankings, "ranking__") & of_sources_given(rankings, "response")
    adjudicated = Q(ranking__origin=Origin.ADJUDICATED)
    match aggregation_of(run):
        case "majority":
            return asked & ~adjudicated
        case "adjudicated":
            decided = Ranking.objects.counting().filter(
                asked_for(rankings),
                prompt=OuterRef("ranking__prompt"),
                responses_hash=OuterRef("ranking__responses_hash"),
                origin=Origin.ADJUDICATED,
            )
            return asked & (adjudicated | ~Q(Exists(decided)))
        case _:
            return asked


def other_counted(run: TrainingRun) -> Q:
    """Return the condition that the other placement of a pair is one the run was evaluated on."""
    return of_sources_given(RankingFilter.of(run.config), "ranking__placements__response")


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
