"""Probabilities that a run's rewards give to the outcomes of a comparison."""

import math
from dataclasses import dataclass
from typing import Self

from labelapp.models import TrainingRun


@dataclass(frozen=True)
class Outcome:
    """The probabilities that the first response is better, that it is worse, and of a tie."""

    win: float
    loss: float
    tie: float = 0.0

    @property
    def swapped(self) -> Self:
        """Return the same outcome with the responses the other way round."""
        return type(self)(win=self.loss, loss=self.win, tie=self.tie)


def outcome(lead: float, nu: float | None) -> Outcome:
    """Return the probabilities of an outcome, given the lead of the first response's reward.

    As training's loss has them (training/loop/loss.py): 1 / (1 + e^-lead) by Bradley and Terry
    (1952). With `nu`, ties are outcomes of their own (Davidson 1970, Journal of the American
    Statistical Association 65 (329), pages 317-328): a win, a tie and a loss are in the proportion
    e^(lead/2), nu and e^(-lead/2).
    """
    if lead < 0:
        return outcome(-lead, nu).swapped
    loss, tie = math.exp(-lead), (nu or 0.0) * math.exp(-lead / 2)
    total = 1 + loss + tie
    return Outcome(win=1 / total, loss=loss / total, tie=tie / total)


def tie_parameter(run: TrainingRun) -> float | None:
    """Return the nu that a run learned, or None where ties are no outcomes of their own."""
    nu = run.metrics.get("davidson_nu")
    return float(nu) if isinstance(nu, int | float) and nu >= 0 else None
