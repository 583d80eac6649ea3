"""The probabilities of outcomes are those of the loss that the rewards were trained with."""

import math
from statistics import NormalDist
from typing import Any

import pytest
import torch

from training.config import TrainConfig
from training.loop.loss import RankingLoss
from training.runs.outcomes import OutcomeModel


@pytest.mark.parametrize("lead", [-40.0, -1.5, 0.0, 0.3, 900.0])
@pytest.mark.parametrize("ties", ["drop", "davidson"])
@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_the_probabilities_are_those_of_the_loss(
    lead: float, ties: Any, temperature: float
) -> None:
    loss = RankingLoss(TrainConfig(ties=ties))
    nu = None
    if ties == "davidson":
        assert loss.log_nu is not None
        torch.nn.init.constant_(loss.log_nu, 0.4)
        nu = loss.figures()["davidson_nu"]
    leads = torch.tensor(lead / temperature, dtype=torch.float64)
    found = OutcomeModel(temperature, nu).outcome(lead)
    assert found.win == pytest.approx(loss._log_win(leads).exp().item(), abs=1e-7)
    assert found.loss == pytest.approx(loss._log_win(-leads).exp().item(), abs=1e-7)
    assert found.win + found.loss + found.tie == pytest.approx(1)
    if nu is not None:
        assert found.tie == pytest.approx(loss._log_tie(leads).exp().item(), abs=1e-7)


@pytest.mark.parametrize(
    ("metrics", "expected"),
    [
        ({}, OutcomeModel()),
        ({"davidson_nu": 2.5}, OutcomeModel(1.0, 2.5)),
        ({"davidson_nu": 0}, OutcomeModel(1.0, 0.0)),
        ({"davidson_nu": "odd", "held_out": 3}, OutcomeModel()),
        ({"held_out": {"temperature": {"value": 0.5}}}, OutcomeModel(0.5)),
        ({"held_out": {"temperature": {"value": -1}}}, OutcomeModel()),
        ({"held_out": {"temperature": None}}, OutcomeModel()),
    ],
)
def test_it_is_read_from_the_metrics_of_a_run(
    metrics: dict[str, Any], expected: OutcomeModel
) -> None:
    assert OutcomeModel.of_metrics(metrics) == expected


def test_a_lead_that_is_not_known_well_tells_less() -> None:
    """The mean of sigmoid over a normal lead, against an integral over many draws."""
    model = OutcomeModel()
    leads = [1.5 + 2.0 * NormalDist().inv_cdf((n + 0.5) / 2000) for n in range(2000)]
    exact = sum(1 / (1 + math.exp(-lead)) for lead in leads) / 2000
    found = model.outcome(1.5, variance=4.0)
    assert found.win == pytest.approx(exact, abs=0.01)
    assert model.outcome(-1.5, variance=4.0) == found.swapped
    assert found.win < model.outcome(1.5).win
