"""Read what a run's review is measured on, prompt by prompt."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import Any, TypeVar

from labelapp.models import Origin, Placement, PromptAgreement, Score, TrainingRun, counting
from training.rankings import Identifier, Ranking

CHUNK_SIZE = 2000  # rows in memory
ADJUDICATED = 0  # stands for a member's key in rankings of adjudicators

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class ScoredResponse:
    source: str
    characters: int
    words: int
    reward: float


@dataclass(frozen=True, slots=True)
class ScoredPrompt:
    """A prompt with the rewards of its responses and its current rankings of them."""

    prompt: int
    held_out: bool
    responses: dict[Identifier, ScoredResponse]  # by primary key, in its order
    rankings: list[tuple[int, Ranking]]  # with the member's primary key, or ADJUDICATED
    by_run: dict[int, dict[Identifier, float]] = field(default_factory=dict)
    """Rewards by other runs that held the prompt out, by their primary key."""

    @property
    def own(self) -> list[Ranking]:
        """Return the labellers' own rankings."""
        return [ranking for member, ranking in self.rankings if member != ADJUDICATED]

    @property
    def rewards(self) -> dict[Identifier, float]:
        return {pk: response.reward for pk, response in self.responses.items()}


def scored_prompts(run: TrainingRun, others: Sequence[int] = ()) -> Iterator[ScoredPrompt]:
    """Yield the prompts that a run scored, with the rewards by other runs.

    The rows come from two streamed queries and one more for each of the others, and a query for the
    prompts that the run held out.
    """
    held_out = set(
        PromptAgreement.objects.filter(run=run, held_out=True).values_list("prompt_id", flat=True)
    )
    rankings_of = in_step(rankings_by_prompt(run))
    rewards_of = {other: in_step(held_out_rewards(other)) for other in others}
    for prompt, rows in groupby(score_rows(run), key=itemgetter(0)):
        responses = {row[1]: scored_response(*row[2:]) for row in rows}
        yield ScoredPrompt(
            prompt=prompt,
            held_out=prompt in held_out,
            responses=responses,
            rankings=scored_rankings(rankings_of(prompt) or [], responses),
            by_run={other: found for other, of in rewards_of.items() if (found := of(prompt))},
        )


def in_step(rows: Iterator[tuple[int, Found]]) -> Callable[[int], Found | None]:
    """Return a function that finds the row of a prompt, for prompts in the order of the rows."""
    row = next(rows, None)

    def find(prompt: int) -> Found | None:
        nonlocal row
        while row is not None and row[0] < prompt:
            row = next(rows, None)
        return row[1] if row is not None and row[0] == prompt else None

    return find


def held_out_rewards(run: int) -> Iterator[tuple[int, dict[Identifier, float]]]:
    """Yield each prompt that a run held out, with its rewards by response."""
    held_out = PromptAgreement.objects.filter(run=run, held_out=True).values("prompt")
    rows = (
        Score.objects.filter(run=run, response__prompt__in=held_out)
        .order_by("response__prompt_id", "response_id")
        .values_list("response__prompt_id", "response_id", "reward")
    )
    for prompt, scores in groupby(rows.iterator(chunk_size=CHUNK_SIZE), key=itemgetter(0)):
        yield prompt, {response: reward for _, response, reward in scores}


def score_rows(run: TrainingRun) -> Iterator[Any]:
    rows = Score.objects.filter(run=run, response__prompt__project=run.project_id)
    return (
        rows.order_by("response__prompt_id", "response_id")
        .values_list(
            "response__prompt_id", "response_id", "response__source", "response__text", "reward"
        )
        .iterator(chunk_size=CHUNK_SIZE)
    )


def scored_response(source: str, text: str, reward: float) -> ScoredResponse:
    return ScoredResponse(source, len(text), len(text.split()), reward)


def rankings_by_prompt(run: TrainingRun) -> Iterator[tuple[int, list[tuple[int, dict[int, int]]]]]:
    """Yield each ranked prompt with its current rankings: the member, and ranks by response."""
    rows = (
        Placement.objects.filter(counting("ranking__"), ranking__prompt__project=run.project_id)
        .order_by("ranking__prompt_id", "ranking_id", "response_id")
        .values_list(
            "ranking__prompt_id",
            "ranking_id",
            "ranking__member_id",
            "ranking__origin",
            "response_id",
            "rank",
        )
    )
    for prompt, of_prompt in groupby(rows.iterator(chunk_size=CHUNK_SIZE), key=itemgetter(0)):
        yield (
            prompt,
            [
                (
                    ADJUDICATED if origin == Origin.ADJUDICATED else member,
                    {row[4]: row[5] for row in placements},
                )
                for (_, member, origin), placements in groupby(of_prompt, key=itemgetter(1, 2, 3))
            ],
        )


def scored_rankings(
    found: list[tuple[int, dict[int, int]]], responses: dict[Identifier, ScoredResponse]
) -> list[tuple[int, Ranking]]:
    """Return rankings of the responses that have a score."""
    kept = [
        (member, {pk: rank for pk, rank in ranks.items() if pk in responses})
        for member, ranks in found
    ]
    return [
        (member, Ranking(tuple(ranks), tuple(ranks.values()))) for member, ranks in kept if ranks
    ]
