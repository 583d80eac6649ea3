"""Sum figures over prompts, and estimate their uncertainty with the bootstrap.

Each prompt contributes one row of sums, and equal rows are only counted, so that memory does not
grow with the rankings. Resampling the rows gives the intervals.

Shapes: S bootstrap samples, D distinct rows of sums, M members, N rankings, C columns of sums.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from itertools import combinations

import numpy as np
from django.utils.translation import gettext_noop
from numpy.typing import NDArray

from labelapp.quality.ratios import share_with_interval
from labelapp.quality.results import Figure, PairAgreement

BOOTSTRAP_SAMPLES = 2000
BOOTSTRAP_SEED = 0
MIN_PROMPTS = 5  # with fewer, an interval over prompts would be misleading
TOO_FEW = gettext_noop("Fewer than 5 prompts: too few for an interval.")
CELLS = 10_000_000  # of one array of bootstrap draws

Floats = NDArray[np.float64]
Statistic = Callable[[Floats], Floats]  # sums (S, columns) -> values (S,)


class Sums:
    """Rows of sums, one for each prompt that contributes to a figure."""

    def __init__(self) -> None:
        self.rows: Counter[bytes] = Counter()

    def add(self, *row: float) -> None:
        self.rows[np.array(row, dtype=float).tobytes()] += 1

    @property
    def prompts(self) -> int:
        return self.rows.total()

    def table(self) -> tuple[Floats, NDArray[np.int64]]:
        """Return the distinct rows (D, columns), sorted, and the count of each (D,)."""
        rows = sorted(self.rows)
        columns = len(rows[0]) // 8
        values = np.frombuffer(b"".join(rows), dtype=float).reshape(-1, columns)
        return values, np.array([self.rows[row] for row in rows])

    def total(self) -> Floats:
        """Return the sums over all prompts (columns,)."""
        if not self.rows:
            return np.zeros(1)
        rows, times = self.table()
        return np.asarray(times @ rows)

    def error(self) -> float:
        """Return the standard error over prompts of the first column divided by the second.

        By linearisation (Cochran, Sampling Techniques, 1977, section 6.3), which is faster than
        the bootstrap. Infinite for fewer than two prompts.
        """
        if self.prompts < 2:
            return float("inf")
        rows, times = self.table()
        part, whole = self.total()[:2]
        residuals = rows[:, 0] - rows[:, 1] * part / whole
        variance = float(times @ residuals**2) * self.prompts / (self.prompts - 1)
        return float(np.sqrt(variance)) / float(whole)

    def interval(self, statistic: Statistic) -> tuple[float, float]:
        """Return a 95 % interval by the bootstrap over prompts.

        Rankings of one prompt are not independent, so whole prompts are drawn. The counts of the
        rows are multinomial, which is the same as drawing prompt by prompt. The percentile method,
        Efron and Tibshirani 1993, section 13.3.
        """
        rows, times = self.table()
        random = np.random.default_rng(BOOTSTRAP_SEED)
        values: list[Floats] = []
        remaining = BOOTSTRAP_SAMPLES
        while remaining:
            size = min(remaining, max(1, CELLS // len(rows)))
            drawn = random.multinomial(self.prompts, times / times.sum(), size=size)
            values.append(statistic(drawn @ rows))
            remaining -= size
        low, high = np.nanpercentile(np.concatenate(values), [2.5, 97.5])
        return float(low), float(high)


class PairSums:
    """The comparisons agreed on and made by every two labellers, in a growing matrix.

    Of each two: the comparisons agreed on, those made, the sums of the squares of both, the sum of
    their products, and the number of pairs of rankings.
    """

    COLUMNS = 6

    def __init__(self) -> None:
        self.index: dict[int, int] = {}  # by member
        self.sums_MMC = np.zeros((8, 8, self.COLUMNS))

    def add(self, members_N: NDArray[np.int64], agreed_NN: Floats, pairs_NN: Floats) -> None:
        """Add the agreement of every two rankings of a prompt, given their members."""
        for member in members_N.tolist():
            self.index.setdefault(member, len(self.index))
        while len(self.index) > len(self.sums_MMC):
            size = len(self.sums_MMC)
            grown = np.zeros((2 * size, 2 * size, self.COLUMNS))
            grown[:size, :size] = self.sums_MMC
            self.sums_MMC = grown
        index_N = np.array([self.index[member] for member in members_N.tolist()])
        rows = np.stack(
            [
                agreed_NN,
                pairs_NN,
                agreed_NN**2,
                pairs_NN**2,
                agreed_NN * pairs_NN,
                (pairs_NN > 0).astype(float),
            ],
            axis=-1,
        )
        np.add.at(self.sums_MMC, (index_N[:, None], index_N[None, :]), rows)

    def each(self) -> list[PairAgreement]:
        """Return the agreement of every two members who can be compared."""
        found = []
        for (one, row), (other, column) in combinations(sorted(self.index.items()), 2):
            agreed, pairs, *squares, rankings = self.sums_MMC[row, column].tolist()
            if pairs:
                share = share_with_interval(int(rankings), agreed, pairs, *squares)
                found.append(PairAgreement(one, other, *share, comparisons=int(pairs)))
        return found

    def between(self, some: Iterable[int], others: Iterable[int]) -> tuple[float, float]:
        """Return the comparisons agreed on and made between two groups of members.

        Within one group, each pair of members counts twice.
        """
        rows, columns = ([self.index[m] for m in sorted(group)] for group in (some, others))
        agreed, pairs = self.sums_MMC[np.ix_(rows, columns)][..., :2].sum(axis=(0, 1))
        return float(agreed), float(pairs)


def ratio(sums: Floats) -> Floats:
    return np.asarray(sums[:, 0] / sums[:, 1])


def figure(
    sums: Sums,
    *,
    name: str,
    unit: str,
    count: int,
    statistic: Statistic,
    chance: float | None = None,
    why_none: str = "",
    undefined: str = "",
) -> Figure:
    """Return a figure with its interval, or with the reason why it has no value.

    `why_none` is the reason if the figure cannot be measured at all, and `undefined` the reason if
    the sums do not define it.
    """
    why_not = why_none or ("" if sums.rows else undefined)
    value = None if why_not else float(statistic(sums.total()[None, :])[0])
    if value is not None and np.isnan(value):
        value, why_not = None, undefined
    low = high = None
    if value is not None and sums.prompts >= MIN_PROMPTS:
        low, high = sums.interval(statistic)
    elif value is not None:
        why_not = TOO_FEW
    return Figure(
        name=name,
        unit=unit,
        count=count,
        prompts=sums.prompts,
        value=value,
        low=low,
        high=high,
        chance=chance,
        why_not=why_not,
    )
