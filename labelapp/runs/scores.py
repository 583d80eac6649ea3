"""Scoring: a run's rewards into the database, and how they agree with the people."""

from collections.abc import Iterator, Mapping
from itertools import groupby, islice
from operator import itemgetter

from django.db import transaction

from labelapp.models import Origin, Placement, Prompt, PromptAgreement, Response, Score, TrainingRun
from training.aggregation import choose
from training.config import stored_aggregation
from training.rankings import Aggregation, Identifier, Kind, Ranking
from training.runs.folder import RunFolder

BATCH = 2000


def store(run: TrainingRun, folder: RunFolder) -> None:
    """Put the scores of a run folder in place of the run's old ones, all or none."""
    held_out = frozenset(folder.held_out_prompts() or ())
    with transaction.atomic():
        run.scores.all().delete()
        run.agreements.all().delete()
        store_scores(run, folder)
        store_agreements(run, held_out)


def store_scores(run: TrainingRun, folder: RunFolder) -> None:
    """Write the rewards. Responses that were deleted meanwhile are passed over."""
    rewards = ((pk, reward) for pk, reward in folder.iter_scores() if isinstance(pk, int))
    while batch := list(islice(rewards, BATCH)):
        # By key alone: a condition on the project would have SQLite walk all of it every time.
        projects = Response.objects.filter(pk__in=[pk for pk, _ in batch])
        owners = dict(projects.values_list("pk", "prompt__project_id"))
        Score.objects.bulk_create(
            Score(run=run, response_id=pk, reward=reward)
            for pk, reward in batch
            if owners.get(pk) == run.project_id
        )


def store_agreements(run: TrainingRun, held_out: frozenset[int | str]) -> None:
    """Write, for every prompt with scores, how many comparisons the model orders otherwise."""
    found = dict(count_agreements(run))
    scored = Prompt.objects.filter(responses__scores__run=run).order_by("pk").distinct()
    prompts = scored.values_list("pk", flat=True).iterator(BATCH)
    while batch := list(islice(prompts, BATCH)):
        PromptAgreement.objects.bulk_create(
            PromptAgreement(
                run=run,
                prompt_id=pk,
                comparisons=(total := found.get(pk, (0, 0))[0]),
                against=(against := found.get(pk, (0, 0))[1]),
                disagreement=against / total if total else 0.0,
                held_out=pk in held_out,
            )
            for pk in batch
        )


def count_agreements(run: TrainingRun) -> Iterator[tuple[int, tuple[int, int]]]:
    """(prompt, (comparisons, those that the model orders otherwise)) over all current rankings.

    Of these, over the ones that the run would learn from.
    """
    rows = (
        Placement.objects.filter(ranking__is_current=True, response__scores__run=run)
        .order_by("ranking__prompt_id", "ranking_id")
        .values_list(
            *("ranking__prompt_id", "ranking_id", "ranking__origin", "response_id", "rank"),
            "response__scores__reward",
        )
    )
    for prompt, of_prompt in groupby(rows.iterator(BATCH), key=itemgetter(0)):
        rewards: dict[Identifier, float] = {}
        rankings = []
        for (_, origin), placements in groupby(of_prompt, key=itemgetter(1, 2)):
            ranks = {}
            for *_, response, rank, reward in placements:
                ranks[response], rewards[response] = rank, reward
            rankings.append(as_judged(ranks, origin))
        total = against = 0
        for ranking in choose(rankings, aggregation_of(run)):
            total += len(ranking.comparisons())
            against += len(ordered_otherwise(ranking, rewards))
        yield prompt, (total, against)


def aggregation_of(run: TrainingRun) -> Aggregation:
    """Return which rankings `run` is trained and evaluated on."""
    return stored_aggregation(run.config)


def as_judged(ranks: Mapping[int, int], origin: str) -> Ranking:
    """A stored ranking of responses as training has it."""
    kind: Kind = "adjudicated" if origin == Origin.ADJUDICATED else "own"
    return Ranking(tuple(ranks), tuple(ranks.values()), kind=kind)


def ordered_otherwise(
    ranking: Ranking, rewards: Mapping[Identifier, float]
) -> list[tuple[Identifier, Identifier]]:
    """The (better, worse) of a ranking that the rewards do not order as people did."""
    named = ranking.responses
    pairs = [(named[pair.better], named[pair.worse]) for pair in ranking.comparisons()]
    return [(better, worse) for better, worse in pairs if rewards[better] <= rewards[worse]]
