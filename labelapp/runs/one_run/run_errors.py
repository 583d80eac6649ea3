"""The held-out pairs that a run's model gets most wrong, with what people said of them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from labelapp.db.cache import cached
from labelapp.models import Response, Score, TrainingRun
from labelapp.rendering.excerpts import excerpt
from labelapp.runs.human_rank import HumanRank
from labelapp.runs.pairs import (
    MOST_PROMPTS,
    Sample,
    human_ranks,
    mean_reward,
    pair_votes,
    rewards_of,
    sample_held_out,
)

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
    sample: Sample


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
        sample = sample_held_out(run, most=MOST_PROMPTS)
        found = find_errors(run, sample.prompts)
        return Errors(len(found), found[:MOST_LISTED], sample)

    return cached(f"errors-{run.pk}", find, lambda _: rows).value


def find_errors(run: TrainingRun, prompts: Sequence[int]) -> list[Error]:
    """Return the pairs that the model orders otherwise than most people, the worst first."""
    rewards = rewards_of(run, prompts)
    found = []
    for prompt, better, worse, votes, against in pair_votes(run, prompts):
        if against > votes:
            better, worse, votes, against = worse, better, against, votes
        if votes > against and better in rewards and worse in rewards:
            margin = rewards[worse] - rewards[better]
            if margin > 0:
                found.append(Error(prompt, better, worse, votes, against, margin))
    return sorted(found, key=lambda error: (-error.margin, error.prompt, error.better))


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
