"""The difference of a figure of two runs on the same held-out prompts, with its interval.

Plain Python, because the processes that serve pages do not load numpy.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from operator import itemgetter, mul
from random import Random
from statistics import NormalDist, pstdev, quantiles
from typing import Any

from labelapp.runs.ratio_error import ratio_error
from training.runs.caveats import FEWEST_PROMPTS
from training.runs.folder import RunFolder

SAMPLES = 2000
SEED = 0
GROUPS = 1000  # prompts beyond this number are summed in groups, so that the time stays the same
NORMAL_95 = NormalDist().inv_cdf(0.975)
SLICE_GROUPS = 200  # the same, where many figures have an interval each

Column = tuple[float, ...]
Judgements = Mapping[str, tuple[float, int]]
"""A sum over comparisons, such as of those ordered as people did, and their number, by prompt."""


@dataclass(frozen=True)
class Gain:
    """A difference in held-out accuracy or loss, with its 95 % interval if it has one."""

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
    """Return how often a run is right, by the hash of the prompt; {} where this is not known."""
    return summed(folder.judgements(), "agreed", "comparisons")


def summed(lines: Sequence[Mapping[str, Any]], total: str, comparisons: str) -> Judgements:
    """Return a sum over comparisons and their number, by the hash of the prompt.

    Prompts without such a comparison are left out, and those whose sum is not known: runs of
    earlier versions have the comparisons ordered as people did alone.
    """
    return {
        str(line["prompt"]): (float(line[total]), int(line[comparisons]))
        for line in lines
        if line.get(comparisons) and line.get(total) is not None
    }


def gains(
    reference: Judgements, others: Sequence[Judgements], groups: int = GROUPS
) -> list[Gain | None]:
    """Return how much higher than in `reference` the mean over comparisons is in each other run.

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
    small = tuple(grouped(column, groups) for column in columns)
    found = iter(intervals(small, grouped(comparisons, groups)))
    total = sum(comparisons)
    return [
        None if column is None else Gain(sum(column) / total, *next(found)) for column in paired
    ]


def paired_gains(
    differences: Sequence[Column], comparisons: Sequence[Column], samples: int = SAMPLES
) -> list[Gain]:
    """Return the gain in the whole and in each of several parts of it, on the same prompts.

    Each column has a number for each prompt: by how many comparisons the second model is ahead,
    and how many there are, which may be none. The first column is the whole, with an interval of
    its own. The intervals of the others hold together: in 95 % of cases all of them are right.
    """
    small = [grouped(column, SLICE_GROUPS) for column in (*differences, *comparisons)]
    is_enough = len(differences[0]) >= FEWEST_PROMPTS
    drawn = list(resampled(small, samples)) if is_enough else []
    parts = []
    for place, (column, counts) in enumerate(zip(differences, comparisons, strict=True)):
        value, number = sum(column) / sum(counts), sum(map(bool, counts))
        sums = [(row[place], row[place + len(differences)]) for row in drawn]
        known = sums if number >= FEWEST_PROMPTS else []
        shares = [gain / total if total else None for gain, total in known]
        parts.append(Part(value, min(number, SLICE_GROUPS), shares))
    largest = largest_deviations(parts[1:])
    bound = quantiles(largest, n=20, method="inclusive")[-1] if largest else 0.0
    return [parts[0].alone(), *(part.among(bound) for part in parts[1:])]


@dataclass(frozen=True)
class Part:
    """A part of the comparisons, and its gain in each bootstrap sample."""

    value: float
    prompts: int
    shares: Sequence[float | None]  # None where a sample has no comparison of this part

    @property
    def known(self) -> list[float]:
        return [share for share in self.shares if share is not None]

    @cached_property
    def error(self) -> float:
        """Return the standard error; the bootstrap's is too small where there are few prompts."""
        return pstdev(self.known) * (self.prompts / (self.prompts - 1)) ** 0.5

    def alone(self) -> Gain:
        """Return the gain with an interval of its own."""
        return Gain(self.value, *percentiles(self.known)) if self.shares else Gain(self.value)

    def among(self, bound: float) -> Gain:
        """Return the gain with an interval of `bound` standard errors on either side.

        It ends at one, the largest difference of two accuracies.
        """
        if not self.shares:
            return Gain(self.value)
        half_width = as_student(bound, self.prompts - 1) * self.error
        return Gain(
            self.value, max(-1.0, self.value - half_width), min(1.0, self.value + half_width)
        )


def largest_deviations(parts: Sequence[Part]) -> list[float]:
    """Return the largest deviation of all parts in each sample, in standard errors.

    Parts overlap, which this takes into account and Bonferroni's correction does not: the single
    step of Westfall and Young 1993, "Resampling-Based Multiple Testing", section 2.3.
    """
    uncertain = [part for part in parts if part.shares and part.error > 0]
    if not uncertain:
        return []
    return [
        max(
            abs(share - part.value) / part.error if share is not None else 0.0
            for share, part in zip(of_sample, uncertain, strict=True)
        )
        for of_sample in zip(*(part.shares for part in uncertain), strict=True)
    ]


def as_student(bound: float, freedom: float) -> float:
    """Return the quantile of Student's t where the normal distribution has that of `bound`.

    The expansion of Fisher and Cornish 1960, Technometrics 2 (2), pages 209-225.
    """
    z, n = bound, freedom
    return (
        z
        + (z**3 + z) / (4 * n)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * n**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * n**3)
    )


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


def ratio_interval(
    sums: Sequence[float], comparisons: Sequence[float]
) -> tuple[float | None, float | None]:
    """Return the 95 % interval of a share, given its sum and its comparisons for each prompt.

    By ratio_error: close to `intervals`, and in no time where dozens are wanted. It stays between
    0 and 1.
    """
    prompts, part, whole = len(comparisons), sum(sums), sum(comparisons)
    if prompts < FEWEST_PROMPTS:
        return None, None
    share = part / whole
    error = ratio_error(
        prompts,
        part,
        whole,
        products_of(sums, sums),
        products_of(comparisons, comparisons),
        products_of(sums, comparisons),
    )
    half_width = as_student(NORMAL_95, prompts - 1) * error
    return max(0.0, share - half_width), min(1.0, share + half_width)


def products_of(one: Sequence[float], other: Sequence[float]) -> float:
    return sum(map(mul, one, other))


def percentiles(values: Sequence[float]) -> tuple[float, float]:
    """Return the 2.5th and the 97.5th percentile, interpolated linearly."""
    low, *_, high = quantiles(values, n=40, method="inclusive")
    return low, high
