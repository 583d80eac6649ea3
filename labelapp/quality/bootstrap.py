"""Sums over prompts, and how sure a figure is that comes of them.

Everything is summed prompt by prompt, so that memory does not grow with the rankings; prompts whose
sums are alike are counted, not kept. The same sums, drawn again, give the intervals.

Shapes: S bootstrap samples, D different rows of sums.
"""

from collections import Counter
from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from labelapp.quality.results import Figure

BOOTSTRAP_SAMPLES = 2000
BOOTSTRAP_SEED = 0
FEWEST_PROMPTS = 5
"""With fewer, an interval over prompts would claim to know what it cannot."""
CELLS = 10_000_000  # of one array of bootstrap draws

Floats = NDArray[np.float64]
Statistic = Callable[[Floats], Floats]  # sums (S, columns) -> values (S,)


class Sums:
    """Rows of sums, one a prompt that has a part in a figure."""

    def __init__(self) -> None:
        self.rows: Counter[bytes] = Counter()

    def add(self, *row: float) -> None:
        self.rows[np.array(row, dtype=float).tobytes()] += 1

    @property
    def prompts(self) -> int:
        return self.rows.total()

    def table(self) -> tuple[Floats, NDArray[np.int64]]:
        """The different rows (D, columns), in an order of their own; how often each came (D,)."""
        rows = sorted(self.rows)
        columns = len(rows[0]) // 8
        values = np.frombuffer(b"".join(rows), dtype=float).reshape(-1, columns)
        return values, np.array([self.rows[row] for row in rows])

    def total(self) -> Floats:
        """Sums over all prompts, (columns,)."""
        if not self.rows:
            return np.zeros(1)
        rows, times = self.table()
        return np.asarray(times @ rows)

    def error(self) -> float:
        """The standard error of the first column over the second, from one prompt to another.

        By linearisation (Cochran, Sampling Techniques, 1977, section 6.3): quicker than drawing
        samples, where a figure is compared and not shown. Infinite for fewer than two prompts.
        """
        if self.prompts < 2:
            return float("inf")
        rows, times = self.table()
        part, whole = self.total()[:2]
        residuals = rows[:, 0] - rows[:, 1] * part / whole
        variance = float(times @ residuals**2) * self.prompts / (self.prompts - 1)
        return float(np.sqrt(variance)) / float(whole)

    def interval(self, statistic: Statistic) -> tuple[float, float]:
        """95 % interval by the bootstrap over prompts: one prompt's rankings are not independent.

        How often each row is drawn is multinomial; that is the same as drawing prompt by prompt.
        The percentile method, Efron and Tibshirani 1993, section 13.3.
        """
        rows, times = self.table()
        random = np.random.default_rng(BOOTSTRAP_SEED)
        values: list[Floats] = []
        left = BOOTSTRAP_SAMPLES
        while left:
            size = min(left, max(1, CELLS // len(rows)))
            drawn = random.multinomial(self.prompts, times / times.sum(), size=size)
            values.append(statistic(drawn @ rows))
            left -= size
        low, high = np.nanpercentile(np.concatenate(values), [2.5, 97.5])
        return float(low), float(high)


class PairSums:
    """Agreed and compared, of every two labellers: a matrix that grows with them."""

    def __init__(self) -> None:
        self.place: dict[int, int] = {}  # of each member
        self.sums_MM2 = np.zeros((8, 8, 2))

    def add(self, members_N: NDArray[np.int64], agreed_NN: Floats, pairs_NN: Floats) -> None:
        """Add what every two of some rankings by these members have in common."""
        for member in members_N.tolist():
            self.place.setdefault(member, len(self.place))
        while len(self.place) > len(self.sums_MM2):
            grown = np.zeros((2 * len(self.sums_MM2), 2 * len(self.sums_MM2), 2))
            grown[: len(self.sums_MM2), : len(self.sums_MM2)] = self.sums_MM2
            self.sums_MM2 = grown
        at_N = np.array([self.place[member] for member in members_N.tolist()])
        rows = np.stack([agreed_NN, pairs_NN], axis=-1)
        np.add.at(self.sums_MM2, (at_N[:, None], at_N[None, :]), rows)

    def between(self, some: Iterable[int], others: Iterable[int]) -> tuple[float, float]:
        """Agreed and compared by some members with others; within one group each pair twice."""
        these, those = ([self.place[m] for m in sorted(one)] for one in (some, others))
        agreed, pairs = self.sums_MM2[np.ix_(these, those)].sum(axis=(0, 1))
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
    """A figure with its interval, or with the reason why there is none.

    `why_none` says why there can be none; `undefined`, why these sums come to none.
    """
    why_not = why_none or ("" if sums.rows else undefined)
    value = None if why_not else float(statistic(sums.total()[None, :])[0])
    if value is not None and np.isnan(value):
        value, why_not = None, undefined
    low = high = None
    if value is not None and sums.prompts >= FEWEST_PROMPTS:
        low, high = sums.interval(statistic)
    elif value is not None:
        why_not = f"Fewer than {FEWEST_PROMPTS} prompts: too few for an interval."
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
