"""The difference in accuracy of two runs on the same held-out prompts, with its interval.

Plain Python, because the processes that serve pages do not load numpy.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from random import Random
from statistics import quantiles

from training.runs.caveats import FEWEST_PROMPTS
from training.runs.folder import RunFolder

SAMPLES = 2000
SEED = 0
GROUPS = 1000  # prompts beyond this number are summed in groups, so that the time stays the same
SLICE_GROUPS = 200  # the same, where many parts of the comparisons have an interval each

Column = tuple[float, ...]
Judgements = Mapping[str, tuple[float, int]]
"""Comparisons ordered as people did, and all comparisons, of each held-out prompt."""


@dataclass(frozen=True)
class Gain:
    """A difference in held-out accuracy, with its 95 % interval if it has one."""

    value: float
    low: float | None = None
    high: float | None = None

    @property
    def is_nothing(self) -> bool:
        """Return True if the two runs do equally well on every prompt."""
        return self.low == self.high == 0

    @property
    def is_above_zero(self) -> bool:
        """Return True if all of the interval is above zero."""
        return self.low is not None and self.low > 0

    @property
    def is_below_zero(self) -> bool:
        """Return True if all of the interval is below zero."""
        return self.high is not None and self.high < 0

    @property
    def tone(self) -> str:
        return "better" if self.is_above_zero else "worse" if self.is_below_zero else ""


def read_judgements(folder: RunFolder) -> Judgements:
    """Return a run's judgements by the hash of the prompt; {} where there are none."""
    return {
        str(line["prompt"]): (float(line["agreed"]), int(line["comparisons"]))
        for line in folder.judgements()
        if line.get("comparisons")
    }


def gains(reference: Judgements, others: Sequence[Judgements]) -> list[Gain | None]:
    """Return how much more accurate than `reference` each of the others is.

    None where a run has no judgements, or they are of other comparisons than the reference's.
    """
    counts = {prompt: comparisons for prompt, (_, comparisons) in reference.items()}
    # By hash, so that groups of prompts are random ones, and the samples are always the same.
    prompts = sorted(counts)
    paired = [
        tuple(other[prompt][0] - reference[prompt][0] for prompt in prompts)
        if prompts and {prompt: number for prompt, (_, number) in other.items()} == counts
        else None
        for other in others
    ]
    comparisons = tuple(float(counts[prompt]) for prompt in prompts)
    columns = tuple(column for column in paired if column is not None)
    found = iter(intervals(tuple(map(grouped, columns)), grouped(comparisons)))
    total = sum(comparisons)
    return [
        None if column is None else Gain(sum(column) / total, *next(found)) for column in paired
    ]


def paired_gains(differences: Sequence[Column], comparisons: Sequence[Column]) -> list[Gain]:
    """Return the gain in each of several parts of the comparisons, on the same prompts.

    Each column has a number for each prompt: by how many comparisons the second model is ahead,
    and how many there are, which may be none.
    """
    found = []
    small = [grouped(column, SLICE_GROUPS) for column in (*differences, *comparisons)]
    is_enough = len(differences[0]) >= FEWEST_PROMPTS
    drawn = list(resampled(small)) if is_enough else []
    for place, (column, counts) in enumerate(zip(differences, comparisons, strict=True)):
        value = sum(column) / sum(counts)
        if sum(map(bool, counts)) < FEWEST_PROMPTS:
            found.append(Gain(value))
            continue
        sums = ((row[place], row[place + len(differences)]) for row in drawn)
        found.append(Gain(value, *percentiles([gain / total for gain, total in sums if total])))
    return found


def grouped(column: Column, groups: int = GROUPS) -> Column:
    """Return the sums of groups of prompts, or the column itself where it is shorter."""
    if len(column) <= groups:
        return column
    return tuple(sum(column[place::groups]) for place in range(groups))


def resampled(columns: Sequence[Column], samples: int = SAMPLES) -> Iterator[list[float]]:
    """Yield the sums of the columns over the same prompts, drawn with replacement."""
    random, places = Random(SEED), range(len(columns[0]))
    for _ in range(samples):
        drawn = itemgetter(*random.choices(places, k=len(places)))
        yield [sum(drawn(column)) for column in columns]


@lru_cache(maxsize=64)
def intervals(
    columns: tuple[Column, ...], comparisons: Column, samples: int = SAMPLES
) -> list[tuple[float | None, float | None]]:
    """Return the 95 % interval of the sum of each column over the sum of the comparisons.

    Each row is a prompt. Prompts are resampled, because one prompt's comparisons are not
    independent, and all columns are summed over the same prompts. There is no interval where there
    are fewer than FEWEST_PROMPTS prompts. The percentile method, Efron and Tibshirani 1993,
    section 13.3.
    """
    if not columns or len(comparisons) < FEWEST_PROMPTS:
        return [(None, None)] * len(columns)
    drawn = resampled((comparisons, *columns), samples)
    shares = zip(*([each / total for each in sums] for total, *sums in drawn), strict=True)
    return [percentiles(of_column) for of_column in shares]


def percentiles(values: Sequence[float]) -> tuple[float, float]:
    """Return the 2.5th and the 97.5th percentile, interpolated linearly."""
    low, *_, high = quantiles(values, n=40, method="inclusive")
    return low, high
