"""Store the scores of a run in the database, and how they agree with the rankings."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby, islice
from operator import itemgetter

from tqdm import tqdm

from labelapp.models import (
    Origin,
    Placement,
    Prompt,
    PromptAgreement,
    Response,
    Score,
    TrainingRun,
    counting,
)
from training.aggregation import choose
from training.config import stored_aggregation
from training.rankings import Aggregation, Identifier, Kind, Ranking, comparisons
from training.runs.folder import RunFolder

BATCH = 2000

Pair = tuple[Identifier, Identifier]  # the better response first


def store(run: TrainingRun, folder: RunFolder, *, show: bool = False) -> None:
    """Replace the scores of a run with those of its folder.

    Each batch is a transaction, so that others can write meanwhile: pages show the scores only of
    runs that are done. With `show` there is a progress bar on a terminal.
    """
    held_out = frozenset(folder.held_out_prompts() or ())
    run.scores.all().delete()
    run.agreements.all().delete()
    store_scores(run, folder, show)
    store_agreements(run, held_out)


def store_scores(run: TrainingRun, folder: RunFolder, show: bool) -> None:
    """Write the rewards, except those of responses that have been deleted."""
    bar = tqdm(
        folder.iter_scores(), total=run.total, desc="storing", disable=None if show else True
    )
    scores = ((pk, score) for score in bar if isinstance(pk := score.response, int))
    while batch := list(islice(scores, BATCH)):
        # By key alone: with a condition on the project, SQLite would scan all of it every time.
        projects = Response.objects.filter(pk__in=[pk for pk, _ in batch])
        owners = dict(projects.values_list("pk", "prompt__project_id"))
        Score.objects.bulk_create(
            Score(run=run, response_id=pk, reward=score.reward, same_as=score.same_as)
            for pk, score in batch
            if owners.get(pk) == run.project_id
        )


def store_agreements(run: TrainingRun, held_out: frozenset[int | str]) -> None:
    """Write how many comparisons of each scored prompt the model orders differently."""
    counts = dict(count_agreements(run))
    scored = Prompt.objects.filter(responses__scores__run=run).order_by("pk").distinct()
    # All at once: SQLite refuses to write while a query that began before others wrote is read.
    prompts = iter(list(scored.values_list("pk", flat=True)))
    while batch := list(islice(prompts, BATCH)):
        PromptAgreement.objects.bulk_create(
            PromptAgreement(
                run=run,
                prompt_id=pk,
                comparisons=(total := counts.get(pk, (0, 0))[0]),
                against=(against := counts.get(pk, (0, 0))[1]),
                disagreement=against / total if total else 0.0,
                held_out=pk in held_out,
            )
            for pk in batch
        )


def count_agreements(run: TrainingRun) -> Iterator[tuple[int, tuple[int, int]]]:
    """Yield (prompt, (comparisons, those that the model orders differently)).

    The comparisons are those of the rankings that count and that the run would be trained on,
    without those of responses that are equal after the cut to the token limit.
    """
    rows = (
        Placement.objects.filter(counting("ranking__"), response__scores__run=run)
        .order_by("ranking__prompt_id", "ranking_id")
        .values_list(
            "ranking__prompt_id",
            "ranking_id",
            "ranking__origin",
            "response_id",
            "rank",
            "response__scores__reward",
            "response__scores__same_as",
        )
    )
    for prompt, of_prompt in groupby(rows.iterator(BATCH), key=itemgetter(0)):
        rewards: dict[Identifier, float] = {}
        same_as: dict[Identifier, int | None] = {}
        rankings = []
        for (_, origin), placements in groupby(of_prompt, key=itemgetter(1, 2)):
            ranks = {}
            for *_, response, rank, reward, same in placements:
                ranks[response], rewards[response], same_as[response] = rank, reward, same
            rankings.append(training_ranking(ranks, origin))
        total = against = 0
        for ranking in choose(rankings, aggregation_of(run)):
            pairs = compared_pairs(ranking, same_as)
            total += len(pairs)
            against += len(wrong_pairs(pairs, rewards))
        yield prompt, (total, against)


def aggregation_of(run: TrainingRun) -> Aggregation:
    """Return which rankings `run` is trained and evaluated on."""
    return stored_aggregation(run.config)


def training_ranking(ranks: Mapping[int, int], origin: str) -> Ranking:
    """Return a stored ranking of responses as the training package has it."""
    kind: Kind = "adjudicated" if origin == Origin.ADJUDICATED else "own"
    return Ranking(tuple(ranks), tuple(ranks.values()), kind=kind)


def compared_pairs(ranking: Ranking, same_as: Mapping[Identifier, int | None]) -> list[Pair]:
    """Return the (better, worse) pairs of a ranking, without those that are equal after the cut."""
    responses = ranking.responses
    groups = [int(same_as[response] or response) for response in responses]
    pairs = comparisons(ranking.ranks, groups=groups)
    return [(responses[pair.better], responses[pair.worse]) for pair in pairs]


def wrong_pairs(pairs: Sequence[Pair], rewards: Mapping[Identifier, float]) -> list[Pair]:
    """Return the (better, worse) pairs that the rewards order differently."""
    return [(better, worse) for better, worse in pairs if rewards[better] <= rewards[worse]]
