"""Read what a run's review is measured on, prompt by prompt."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any

from labelapp.models import Origin, Placement, PromptAgreement, Score, TrainingRun, counting
from training.rankings import Identifier, Ranking

CHUNK_SIZE = 2000  # rows in memory
ADJUDICATED = 0  # stands for a member's key in rankings of adjudicators


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

    @property
    def own(self) -> list[Ranking]:
        """Return the labellers' own rankings."""
        return [ranking for member, ranking in self.rankings if member != ADJUDICATED]

    @property
    def rewards(self) -> dict[Identifier, float]:
        return {pk: response.reward for pk, response in self.responses.items()}


def scored_prompts(run: TrainingRun) -> Iterator[ScoredPrompt]:
    """Yield the prompts that a run scored, from two streamed queries and one for the held-out."""
    held_out = set(
        PromptAgreement.objects.filter(run=run, held_out=True).values_list("prompt_id", flat=True)
    )
    rankings = rankings_by_prompt(run)
    ranked, found = next(rankings, (0, []))
    for prompt, rows in groupby(score_rows(run), key=itemgetter(0)):
        while ranked and ranked < prompt:
            ranked, found = next(rankings, (0, []))
        responses = {row[1]: scored_response(*row[2:]) for row in rows}
        yield ScoredPrompt(
            prompt=prompt,
            held_out=prompt in held_out,
            responses=responses,
            rankings=scored_rankings(found, responses) if ranked == prompt else [],
        )


def score_rows(run: TrainingRun) -> Iterator[Any]:
    rows = Score.objects.filter(run=run).order_by("response__prompt_id", "response_id")
    return rows.values_list(
        "response__prompt_id", "response_id", "response__source", "response__text", "reward"
    ).iterator(chunk_size=CHUNK_SIZE)


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
