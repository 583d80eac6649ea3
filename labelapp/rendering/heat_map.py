"""A table with a row and a column for each of several raters, shaded by how far two agree."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

SHADES = 6


class Cell(Protocol):
    """Hold how often two raters agree."""

    @property
    def share(self) -> float: ...
    @property
    def low(self) -> float | None: ...
    @property
    def high(self) -> float | None: ...
    @property
    def comparisons(self) -> int: ...
    @property
    def shade(self) -> int: ...


@dataclass(frozen=True)
class HeatRow:
    """A rater with its agreement with each of the raters; None for itself and without pairs."""

    name: str
    kind: str
    cells: Sequence[Cell | None]
    url: str = ""  # of a page of the rater
    differing: Sequence[str] = ()  # addresses of what they differ on, or "", by cell

    @property
    def linked_cells(self) -> list[tuple[Cell | None, str]]:
        """Return the cells with their addresses."""
        return list(zip(self.cells, self.differing or [""] * len(self.cells), strict=True))


@dataclass(frozen=True)
class HeatMap:
    rows: list[HeatRow]


def shade(share: float, lowest: float) -> int:
    """Return the shade of a share, from 0 for the lowest, or less, to SHADES for 1."""
    return max(0, min(SHADES, round(SHADES * (share - lowest) / (1 - lowest))))
