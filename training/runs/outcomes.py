"""Probabilities of the outcomes of a comparison, from the rewards of a trained model.

The web imports this file.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self, TypeGuard

PROBIT = math.pi / 8
"""Share of a lead's variance that is added to the square of the temperature."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Hold the probabilities that the first response is better, that it is worse, and of a tie."""

    win: float
    loss: float
    tie: float = 0.0

    @property
    def swapped(self) -> Self:
        """Return the same outcome with the responses the other way round."""
        return type(self)(win=self.loss, loss=self.win, tie=self.tie)


@dataclass(frozen=True, slots=True)
class OutcomeModel:
    """Turn a lead of one reward over another into probabilities."""

    temperature: float = 1.0
    """Divisor of leads, learned from held-out comparisons (training/evaluation/temperature.py)."""
    nu: float | None = None
    """Strength of ties, or None where ties are no outcomes of their own."""

    @classmethod
    def of_metrics(cls, metrics: Mapping[str, Any]) -> Self:
        """Return the model that metrics.json describes. What it lacks counts as not learned."""
        held_out = metrics.get("held_out")
        scaling = held_out.get("temperature") if isinstance(held_out, Mapping) else None
        found = scaling.get("value") if isinstance(scaling, Mapping) else None
        return cls.of(found, metrics.get("davidson_nu"))

    @classmethod
    def of(cls, temperature: object, nu: object) -> Self:
        """Return the model with these values. One that cannot be counts as not learned."""
        return cls(
            temperature=float(temperature) if _is_above(temperature, 0.0) else 1.0,
            nu=float(nu) if nu == 0 or _is_above(nu, 0.0) else None,
        )

    def outcome(self, lead: float, variance: float = 0.0) -> Outcome:
        """Return the probabilities of an outcome, given the lead of the first response's reward.

        With the variance of the lead, they are the mean of those of the leads that are possible, by
        the probit approximation (training/evaluation/temperature.py).

        As training's loss has them (training/loop/loss.py): 1 / (1 + e^-lead) by Bradley and Terry
        (1952). With `nu`, ties are outcomes of their own (Davidson 1970, Journal of the American
        Statistical Association 65 (329), pages 317-328): a win, a tie and a loss are in the
        proportion e^(lead/2), nu and e^(-lead/2).
        """
        if lead < 0:
            return self.outcome(-lead, variance).swapped
        scaled = lead / math.sqrt(self.temperature**2 + PROBIT * variance)
        loss, tie = math.exp(-scaled), (self.nu or 0.0) * math.exp(-scaled / 2)
        total = 1 + loss + tie
        return Outcome(win=1 / total, loss=loss / total, tie=tie / total)


def _is_above(value: object, least: float) -> TypeGuard[float]:
    return isinstance(value, int | float) and math.isfinite(value) and value > least
