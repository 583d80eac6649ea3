"""The evidence for a promotion: two models on the same held-out prompts, in all and by slice."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

from django.db.models.functions import Length
from django.utils.functional import Promise
from django.utils.translation import gettext, gettext_lazy

from labelapp.db.cache import cached
from labelapp.models import Placement, TrainingRun, counting
from labelapp.runs.caveats import gain
from labelapp.runs.one_run.breakdowns import LENGTHS, responses_name
from labelapp.runs.paired_bootstrap import (
    SLICE_GROUPS,
    Gain,
    grouped,
    intervals,
    paired_gains,
    ratio_interval,
)
from labelapp.runs.pairs import sample_held_out, scores_of
from labelapp.runs.words import span
from training.rankings import comparisons
from training.runs.caveats import FEWEST_PROMPTS
from training.runs.length import length_of_better

MOST_PROMPTS = 2000
"""Held-out prompts that are compared: the interval of more would be hardly narrower."""
MOST_SLICES = 12
"""Slices of one kind, the largest ones."""
KINDS: dict[str, str | Promise] = {
    "length": gettext_lazy("Length of the better response"),
    "source": gettext_lazy("Source"),
    "responses": gettext_lazy("Responses per ranking"),
    "labeller": gettext_lazy("Labeller"),
}
"""The ways to slice the comparisons, with their headings."""


class Judged(NamedTuple):
    """One comparison, and whether each model orders it as the labeller did (1, one half or 0)."""

    prompt: int
    slices: tuple[tuple[str, str], ...]  # (kind, value)
    champion: float
    candidate: float


Ends = tuple[float | None, float | None]
"""The ends of a 95 % interval over prompts, which too few prompts do not have."""


@dataclass(frozen=True)
class Slice:
    """A part of the comparisons, with both models' accuracies."""

    kind: str
    name: str
    comparisons: int
    prompts: int
    champion: float
    candidate: float
    gain: Gain
    champion_ends: Ends = (None, None)
    candidate_ends: Ends = (None, None)

    @property
    def champion_interval(self) -> str:
        return span_of(self.champion_ends)

    @property
    def candidate_interval(self) -> str:
        return span_of(self.candidate_ends)

    @property
    def is_measured(self) -> bool:
        return self.prompts >= FEWEST_PROMPTS

    @property
    def points(self) -> str:
        """Return the gain in points, as in "+2.0"."""
        return gain(self.gain.value)

    @property
    def interval(self) -> str:
        """Return the ends of the interval in points, or "" where there is none."""
        low, high = self.gain.low, self.gain.high
        if low is None or high is None:
            return ""
        return gettext("%(low)s to %(high)s") % {"low": gain(low), "high": gain(high)}

    @property
    def tone(self) -> str:
        return self.gain.tone


@dataclass(frozen=True)
class Evidence:
    """Two models on the prompts that both held out."""

    champion: TrainingRun
    candidate: TrainingRun
    whole: Slice | None  # None where there is no such prompt
    slices: list[Slice] = field(default_factory=list)
    all_prompts: int = 0  # of which MOST_PROMPTS at most are compared
    gained: int = 0  # comparisons that the candidate alone orders as the labeller did
    lost: int = 0  # those that the champion alone does

    @property
    def kinds(self) -> list[tuple[str, list[Slice]]]:
        """Return the slices by the heading of their kind."""
        return [
            (str(KINDS[kind]), list(slices))
            for kind, slices in groupby(self.slices, key=lambda one: one.kind)
        ]


def evidence(champion: TrainingRun, candidate: TrainingRun) -> Evidence:
    """Return how much better the candidate orders held-out responses than the champion.

    On every current ranking of the prompts that both models held out, so that runs can be
    compared however the rankings have grown between them. Cached for a minute where it is large.
    """
    name = f"evidence-{champion.pk}-{candidate.pk}"
    return cached(
        name,
        lambda: compare(champion, candidate),
        lambda found: 100 * found.whole.comparisons if found.whole else 0,
    ).value


def compare(champion: TrainingRun, candidate: TrainingRun) -> Evidence:
    sample = sample_held_out(champion, candidate, most=MOST_PROMPTS)
    judged = list(judge(champion, candidate, sample.prompts))
    if not judged:
        return Evidence(champion, candidate, None)
    whole, *slices = slices_of(judged)
    flips = Counter((one.champion, one.candidate) for one in judged)
    return Evidence(
        champion,
        candidate,
        whole,
        slices,
        sample.all_prompts,
        gained=flips[0.0, 1.0],
        lost=flips[1.0, 0.0],
    )


def judge(
    champion: TrainingRun, candidate: TrainingRun, prompts: Sequence[int]
) -> Iterator[Judged]:
    """Yield the comparisons of the current rankings of prompts.

    Responses without a score of both models, and those that read the same after the cut of either,
    are not compared.
    """
    first, second = scores(champion, prompts), scores(candidate, prompts)
    texts = [{response: text(run, response) for response in run} for run in (first, second)]
    lengths = {length: str(name) for length, name in LENGTHS.items()}  # translated once
    for (prompt, labeller, _), rows in groupby(placements(prompts), key=itemgetter(0, 1, 2)):
        placed = [row[3:] for row in rows if row[3] in first and row[3] in second]
        responses = responses_name(len(placed))
        for pair in comparisons([rank for _, rank, *_ in placed]):
            better, worse = placed[pair.better], placed[pair.worse]
            if (
                texts[0][better[0]] == texts[0][worse[0]]
                or texts[1][better[0]] == texts[1][worse[0]]
            ):
                continue
            sources = {source or "unknown source" for source in (better[2], worse[2])}
            yield Judged(
                prompt,
                (
                    ("length", lengths[length_of_better(better[3], worse[3])]),
                    *(("source", source) for source in sorted(sources)),
                    ("responses", responses),
                    ("labeller", labeller),
                ),
                agreed(first, better[0], worse[0]),
                agreed(second, better[0], worse[0]),
            )


Scores = Mapping[int, tuple[float, int | None]]
"""The reward of each response, and the response that reads the same after the cut."""


def scores(run: TrainingRun, prompts: Sequence[int]) -> Scores:
    rows = scores_of(run, prompts, "response", "reward", "same_as")
    return {response: (reward, same) for response, reward, same in rows}


def placements(prompts: Sequence[int]) -> Iterable[Any]:
    """Return rows of (prompt, labeller, ranking, response, rank, source, characters)."""
    return (
        Placement.objects.filter(counting("ranking__"), ranking__prompt__in=prompts)
        .order_by("ranking__prompt", "ranking__member__name", "ranking", "pk")
        .values_list(
            "ranking__prompt",
            "ranking__member__name",
            "ranking",
            "response",
            "rank",
            "response__source",
            Length("response__text"),
        )
    )


def text(run: Scores, response: int) -> int:
    """Return the first response that reads the same after the cut."""
    return run[response][1] or response


def agreed(run: Scores, better: int, worse: int) -> float:
    """Return 1 if the rewards order two responses as the labeller did, one half if equal, or 0."""
    lead = run[better][0] - run[worse][0]
    return 0.5 if lead == 0 else float(lead > 0)


# Sums by prompt

Sums = dict[int, list[float]]
"""For each prompt: comparisons that the champion and the candidate agree with, and all."""


def slices_of(judged: Iterable[Judged]) -> list[Slice]:
    """Return the whole and its slices, each with the paired interval of the difference."""
    sums: dict[tuple[str, str], Sums] = defaultdict(lambda: defaultdict(lambda: [0.0, 0.0, 0.0]))
    for one in judged:
        for key in (("", "all"), *one.slices):
            row = sums[key][one.prompt]
            row[0] += one.champion
            row[1] += one.candidate
            row[2] += 1
    keys = [("", "all"), *(key for kind in KINDS for key in largest(sums, kind))]
    prompts = sorted(sums["", "all"])
    nothing = [0.0, 0.0, 0.0]
    columns = [[sums[key].get(prompt, nothing) for prompt in prompts] for key in keys]
    gains = paired_gains(
        [tuple(row[1] - row[0] for row in column) for column in columns],
        [tuple(row[2] for row in column) for column in columns],
    )
    whole, *parts = [
        slice_of(*key, sums[key].values(), one) for key, one in zip(keys, gains, strict=True)
    ]
    return [resampled(whole, list(sums["", "all"].values())), *parts]


def resampled(whole: Slice, rows: Sequence[Sequence[float]]) -> Slice:
    """Return the whole with the intervals of accuracies that the pages of the runs have."""
    columns = zip(*rows, strict=True)
    champion, candidate, comparisons = (grouped(column, SLICE_GROUPS) for column in columns)
    ends = intervals((champion, candidate), comparisons)
    return replace(whole, champion_ends=ends[0], candidate_ends=ends[1])


def largest(sums: Mapping[tuple[str, str], Sums], kind: str) -> list[tuple[str, str]]:
    """Return the keys of the largest slices of a kind; those of lengths from short to long."""
    keys = [key for key in sums if key[0] == kind]
    keys.sort(key=lambda key: (-sum(row[2] for row in sums[key].values()), key))
    names = list(map(str, LENGTHS.values()))
    if kind == "length":
        keys.sort(key=lambda key: names.index(key[1]))
    return keys[:MOST_SLICES] if len(keys) > 1 else []


def slice_of(kind: str, name: str, rows: Iterable[Sequence[float]], difference: Gain) -> Slice:
    champion, candidate, comparisons = zip(*rows, strict=True)
    number = sum(comparisons)
    return Slice(
        kind=kind,
        name=name,
        comparisons=round(number),
        prompts=len(comparisons),
        champion=sum(champion) / number,
        candidate=sum(candidate) / number,
        gain=difference,
        champion_ends=ratio_interval(champion, comparisons),
        candidate_ends=ratio_interval(candidate, comparisons),
    )


def span_of(ends: Ends) -> str:
    """Return an interval in words, or "" where there is none."""
    return "" if None in ends else span(*ends)
