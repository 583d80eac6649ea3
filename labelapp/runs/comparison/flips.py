"""Pairs of held-out responses that two runs order differently, and what people prefer."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal, NamedTuple

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
    standard_deviation,
)

Kind = Literal["gained", "lost", "split"]
KINDS: tuple[Kind, ...] = ("gained", "lost", "split")
MOST_LISTED = 500  # of a kind; a large project has a hundred thousand, which nobody reads


class Flip(NamedTuple):
    """A pair of responses that two runs order differently."""

    prompt: int
    better: int  # the response that more rankings prefer, or the first one if people are split
    worse: int
    votes: int  # rankings that prefer `better`
    against: int  # rankings that prefer `worse`
    kind: Kind  # the second run is right, the first run is right, or people are split
    change: float  # of the reward difference, in standard deviations of each run's rewards


class Flips(NamedTuple):
    """The number of flips of each kind, and the clearest of them, at most MOST_LISTED."""

    counts: dict[str, int]
    listed: dict[str, list[Flip]]
    sample: Sample


@dataclass(frozen=True)
class FlippedResponse:
    """One response of a pair, with its ranks and the two runs' rewards."""

    response: Response
    excerpt: str
    ranks: list[HumanRank]
    rewards: tuple[float, float]  # less each run's mean reward of held-out responses


@dataclass(frozen=True)
class ShownFlip:
    """A pair as the page shows it."""

    flip: Flip
    runs: tuple[TrainingRun, TrainingRun]
    better: FlippedResponse
    worse: FlippedResponse

    @property
    def sides(self) -> tuple[FlippedResponse, FlippedResponse]:
        return self.better, self.worse

    @property
    def rows(self) -> list[tuple[TrainingRun, float, float, bool, bool]]:
        """Return each run with its two rewards, and which of them is the higher one."""
        rewards = zip(self.runs, self.better.rewards, self.worse.rewards, strict=True)
        return [(run, one, other, one > other, other > one) for run, one, other in rewards]


def flips(first: TrainingRun, second: TrainingRun) -> Flips:
    """Return the pairs that the runs order differently.

    Of prompts that both runs held out. Those of a large project are cached for a minute.
    """
    comparisons = first.held_out.get("comparisons")
    rows = comparisons if isinstance(comparisons, int) else 0

    def find() -> Flips:
        sample = sample_held_out(first, second, most=MOST_PROMPTS)
        found = find_flips(first, second, sample.prompts)
        listed: dict[str, list[Flip]] = {
            kind: list(islice((flip for flip in found if flip.kind == kind), MOST_LISTED))
            for kind in KINDS
        }
        return Flips(counts(found), listed, sample)

    return cached(f"flips-{first.pk}-{second.pk}", find, lambda _: rows).value


def find_flips(first: TrainingRun, second: TrainingRun, prompts: Sequence[int]) -> list[Flip]:
    """Return the pairs that the runs order differently, the clearest first."""
    of_first, of_second = rewards_of(first, prompts), rewards_of(second, prompts)
    scales = standard_deviation(first), standard_deviation(second)
    scored = of_first.keys() & of_second.keys()
    found = []
    for prompt, one, other, *votes in pair_votes(first, prompts):
        if one not in scored or other not in scored:
            continue
        leads = of_first[one] - of_first[other], of_second[one] - of_second[other]
        if leads[0] * leads[1] > 0 or leads == (0, 0):
            continue
        if flip := make_flip((prompt, one, other), (votes[0], votes[1]), leads, scales):
            found.append(flip)
    return sorted(found, key=lambda flip: (flip.against - flip.votes, -flip.change, flip.prompt))


def make_flip(
    key: tuple[int, int, int],
    votes: tuple[int, int],
    leads: tuple[float, float],
    scales: tuple[float, float],
) -> Flip | None:
    """Return a pair with what people prefer, or None if both runs order it wrongly.

    Both do where one run gives equal rewards, and the other one prefers the worse response.
    """
    prompt, better, worse = key
    if votes[1] > votes[0]:
        better, worse = worse, better
        votes, leads = votes[::-1], (-leads[0], -leads[1])
    change = abs(leads[1] / scales[1] - leads[0] / scales[0])
    right = leads[0] > 0, leads[1] > 0
    if votes[0] == votes[1]:
        kind: Kind = "split"
    elif right[0] == right[1]:
        return None
    else:
        kind = "gained" if right[1] else "lost"
    return Flip(prompt, better, worse, *votes, kind, change)


def counts(found: Iterable[Flip]) -> dict[str, int]:
    """Return the number of pairs of each kind."""
    by_kind = Counter(flip.kind for flip in found)
    return {kind: by_kind[kind] for kind in KINDS}


def show(found: Sequence[Flip], first: TrainingRun, second: TrainingRun) -> list[ShownFlip]:
    """Return the pairs of one page with their texts, ranks and rewards, in three queries."""
    keys = {pk for flip in found for pk in (flip.better, flip.worse)}
    responses = Response.objects.select_related("prompt").in_bulk(keys)
    rewards = {
        (score.run_id, score.response_id): score.reward
        for score in Score.objects.filter(run__in=(first, second), response__in=keys)
    }
    ranks = human_ranks(first, keys)

    def shown(pk: int) -> FlippedResponse:
        return FlippedResponse(
            response=responses[pk],
            excerpt=excerpt(responses[pk].text),
            ranks=ranks.get(pk, []),
            rewards=(
                rewards[first.pk, pk] - mean_reward(first),
                rewards[second.pk, pk] - mean_reward(second),
            ),
        )

    return [
        ShownFlip(flip, (first, second), shown(flip.better), shown(flip.worse))
        for flip in found
        if {flip.better, flip.worse} <= responses.keys()  # the list may be a minute old
    ]
