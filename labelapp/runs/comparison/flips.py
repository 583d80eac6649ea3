"""Pairs of held-out responses that two runs order differently, and what people prefer."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal, NamedTuple

from django.db.models import F, QuerySet

from labelapp.db.cache import cached
from labelapp.models import Placement, PromptAgreement, Response, Score, TrainingRun, counting
from labelapp.rendering.excerpts import excerpt
from labelapp.runs.human_rank import HumanRank
from labelapp.runs.pairs import (
    counted,
    human_ranks,
    mean_reward,
    reward,
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
        found = find_flips(first, second)
        listed: dict[str, list[Flip]] = {
            kind: list(islice((flip for flip in found if flip.kind == kind), MOST_LISTED))
            for kind in KINDS
        }
        return Flips(counts(found), listed)

    return cached(f"flips-{first.pk}-{second.pk}", find, lambda _: rows).value


def find_flips(first: TrainingRun, second: TrainingRun) -> list[Flip]:
    """Return the pairs that the runs order differently, the clearest first, in one query."""
    votes: dict[tuple[int, int, int], list[int]] = defaultdict(lambda: [0, 0])
    leads: dict[tuple[int, int, int], tuple[float, float]] = {}
    for prompt, better, worse, lead, lead_of_second in changed_votes(first, second).iterator():
        if lead == lead_of_second == 0:
            continue
        swapped = better > worse
        key = (prompt, min(better, worse), max(better, worse))
        votes[key][swapped] += 1
        sign = -1 if swapped else 1
        leads[key] = (sign * lead, sign * lead_of_second)
    scales = standard_deviation(first), standard_deviation(second)
    found = [
        flip
        for key, (low, high) in votes.items()
        if (flip := make_flip(key, (low, high), leads[key], scales))
    ]
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


def changed_votes(
    first: TrainingRun, second: TrainingRun
) -> QuerySet[Placement, tuple[int, int, int, float, float]]:
    """Return rows of (prompt, better, worse, lead by the first run, lead by the second one).

    There is one for each ranking and pair. The lead is the reward of the better response less that
    of the worse one. The database leaves out the pairs that both runs order alike.
    """
    held_out = PromptAgreement.objects.filter(held_out=True)
    of_both = held_out.filter(run=first, prompt__in=held_out.filter(run=second).values("prompt"))
    placements = Placement.objects.filter(
        counted(first), counting("ranking__"), ranking__prompt__in=of_both.values("prompt")
    ).filter(ranking__placements__rank__gt=F("rank"))
    return (
        placements.annotate(
            worse=F("ranking__placements__response"),
            lead=reward(first, "response") - reward(first, "worse"),
            second_lead=reward(second, "response") - reward(second, "worse"),
        )
        # A product, because SQL computes a lead again for each condition on it.
        .alias(both=F("lead") * F("second_lead"))
        .filter(both__lte=0)
        .values_list("ranking__prompt", "response", "worse", "lead", "second_lead")
    )


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
