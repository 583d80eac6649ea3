"""The rank that a person gave a response, as pages show it beside a model's reward."""

from dataclasses import dataclass
from typing import Self

from training.rankings import UNRANKED


@dataclass(frozen=True)
class HumanRank:
    """A rank that somebody gave a response; None if they left it unranked."""

    name: str
    rank: int | None

    @classmethod
    def stored(cls, name: str, rank: int) -> Self:
        """Return the rank that a placement stores, which may be UNRANKED."""
        return cls(name, None if rank == UNRANKED else rank)
