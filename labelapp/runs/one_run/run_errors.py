"""The held-out pairs that a run's model gets most wrong, with what people said of them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from django.db.models import Count, F, QuerySet

from labelapp.db.cache import cached
from labelapp.models import Placement, PromptAgreement, Response, Score, TrainingRun, counting
from labelapp.rendering.excerpts import excerpt
from labelapp.runs.human_rank import HumanRank
from labelapp.runs.pairs import counted, human_ranks, mean_reward, reward

MOST_LISTED = 500  # errors; a large project has a hundred thousand, which nobody reads


class Error(NamedTuple):
    """A pair of responses that the model orders otherwise than most people."""

    prompt: int
    better: int  # the response that more rankings prefer
    worse: int
    votes: int  # rankings that prefer `better`
    against: int  # rankings that prefer `worse`
    margin: float  # the reward of `worse` less that of `better`

    @property
    def rankings(self) -> int:
        """Return how many rankings order the pair one way or the other."""
        return self.votes + self.against


class Errors(NamedTuple):
    """The number of errors, and the worst of them, at most MOST_LISTED."""

    pairs: int
    worst: list[Error]


@dataclass(frozen=True)
class ShownResponse:
    """One response of a pair, with its ranks and its reward."""

    response: Response
    excerpt: str
    ranks: list[HumanRank]
    reward: float  # less the mean reward of held-out responses

    @property
    def is_cut(self) -> bool:
        """Return True if the excerpt is not the whole text."""
        return self.excerpt != self.response.text


@dataclass(frozen=True)
class ShownError:
    """An error as the page shows it."""

    error: Error
    better: ShownResponse
    worse: ShownResponse

    @property
    def sides(self) -> tuple[ShownResponse, ShownResponse]:
        return self.better, self.worse

    @property
    def confidence(self) -> float:
        """Return the model's probability that the response which people rank lower is better."""
        return 1 / (1 + math.exp(-min(self.error.margin, 700.0)))


def errors(run: TrainingRun) -> Errors:
    """Return the held-out pairs that the model orders otherwise than most people.

    Those of a large project are cached for a minute.
    """
    comparisons = run.held_out.get("comparisons")
    rows = comparisons if isinstance(comparisons, int) else 0

    def find() -> Errors:
        found = find_errors(run)
        return Errors(len(found), found[:MOST_LISTED])

    return cached(f"errors-{run.pk}", find, lambda _: rows).value


def find_errors(run: TrainingRun) -> list[Error]:
    """Return the pairs that the model orders otherwise than most people, the worst first."""
    rows = list(votes(run).iterator())
    prefer = {(better, worse): number for _, better, worse, number, _ in rows}
    found = [
        Error(prompt, better, worse, number, against, -lead)
        for prompt, better, worse, number, lead in rows
        if lead < 0 and number > (against := prefer.get((worse, better), 0))
    ]
    return sorted(found, key=lambda error: (-error.margin, error.prompt, error.better))


def votes(run: TrainingRun) -> QuerySet[Placement, tuple[int, int, int, int, float]]:
    """Return rows of (prompt, better, worse, rankings that say so, lead).

    Of held-out prompts with a comparison that the model orders otherwise. The lead is the reward of
    the better response less that of the worse one.
    """
    wrong = PromptAgreement.objects.filter(run=run, held_out=True, against__gt=0)
    return (
        Placement.objects.filter(
            counted(run), counting("ranking__"), ranking__prompt__in=wrong.values("prompt")
        )
        .filter(ranking__placements__rank__gt=F("rank"))
        .annotate(
            worse=F("ranking__placements__response"),
            lead=reward(run, "response") - reward(run, "worse"),
        )
        .values("ranking__prompt", "response", "worse", "lead")
        .annotate(votes=Count("ranking"))
        .values_list("ranking__prompt", "response", "worse", "votes", "lead")
    )


def show(found: Sequence[Error], run: TrainingRun) -> list[ShownError]:
    """Return the errors of one page with their texts, ranks and rewards, in three queries."""
    keys = {pk for error in found for pk in (error.better, error.worse)}
    responses = Response.objects.select_related("prompt").in_bulk(keys)
    scores = Score.objects.filter(run=run, response__in=keys)
    rewards = dict(scores.values_list("response_id", "reward"))
    ranks = human_ranks(run, keys)

    def shown(pk: int) -> ShownResponse:
        text = responses[pk].text
        given = ranks.get(pk, [])
        return ShownResponse(responses[pk], excerpt(text), given, rewards[pk] - mean_reward(run))

    return [
        ShownError(error, shown(error.better), shown(error.worse))
        for error in found
        if {error.better, error.worse} <= responses.keys() & rewards.keys()  # may be a minute old
    ]
