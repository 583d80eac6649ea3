"""The ranking loss, by hand and against a slow reference."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from training.config import TrainConfig
from training.loss import RankingLoss, pad_ranks
from training.pairs import comparisons

ranking = st.lists(st.tuples(st.floats(-20, 20), st.integers(1, 4)), min_size=2, max_size=9)
batches = st.lists(ranking, min_size=1, max_size=4)
both = pytest.mark.parametrize("ties", ["drop", "half"])


def losses(rewards, ranks, ties="drop"):
    objective = RankingLoss(TrainConfig(ties=ties))
    return objective(torch.tensor(rewards, dtype=torch.float64), torch.tensor(ranks))


def slow_loss(rewards, ranks, ties):
    """One comparison after the other, as the formula is written."""
    terms = [
        -pair.target * log_sigmoid(rewards[pair.better] - rewards[pair.worse])
        - (1 - pair.target) * log_sigmoid(rewards[pair.worse] - rewards[pair.better])
        for pair in comparisons(ranks, ties)
    ]
    return sum(terms) / len(terms) if terms else 0.0


def log_sigmoid(x):
    return -math.log1p(math.exp(-x)) if x >= 0 else x - math.log1p(math.exp(x))


def test_a_preferred_reward_of_1_against_0():
    assert losses([[1.0, 0.0]], [[1, 2]]).item() == pytest.approx(0.3133, abs=1e-4)


def test_the_other_way_round():
    assert losses([[1.0, 0.0]], [[2, 1]]).item() == pytest.approx(1.3133, abs=1e-4)


def test_equal_rewards_cost_the_logarithm_of_2():
    assert losses([[0.7, 0.7, 0.7]], [[1, 2, 3]]).item() == pytest.approx(math.log(2))


def test_a_ranking_weighs_its_comparisons_equally():
    # Margins 1, 2 and 1: the mean of 0.31326, 0.12693 and 0.31326.
    assert losses([[2.0, 1.0, 0.0]], [[1, 2, 3]]).item() == pytest.approx(0.251150, abs=1e-6)


def test_a_dropped_tie_does_not_count():
    assert losses([[1.0, 0.0, 9.0]], [[1, 2, 1]]).item() == pytest.approx(
        (0.313262 + 0.000123) / 2, abs=1e-6
    )


def test_a_half_tie_pulls_its_two_together():
    # One comparison with margin 1, and a tie with margin 1: (0.31326 + 1.31326) / 2 each way.
    expected = (0.313262 + 0.313262 + (0.313262 + 1.313262) / 2) / 3
    found = losses([[1.0, 0.0, 0.0]], [[1, 2, 2]], "half").item()
    assert found == pytest.approx((0.313262 * 2 + math.log(2)) / 3, abs=1e-6)
    assert losses([[1.0, 0.0, 1.0]], [[1, 2, 2]], "half").item() == pytest.approx(
        (0.313262 + math.log(2) + (0.313262 + 1.313262) / 2) / 3, abs=1e-6
    )
    assert expected > found


@both
def test_an_all_tied_ranking_costs_nothing_and_divides_by_nothing(ties):
    rewards = torch.tensor([[1.0, 2.0], [1.0, 0.0]], requires_grad=True)
    found = RankingLoss(TrainConfig(ties=ties))(rewards, torch.tensor([[1, 1], [1, 2]]))
    assert found.tolist() == pytest.approx([0.0, 0.313262], abs=1e-6)
    found.sum().backward()
    assert rewards.grad[0].tolist() == [0.0, 0.0]
    assert torch.isfinite(rewards.grad).all()


@both
def test_what_stands_in_padded_places_has_no_effect(ties):
    short = losses([[1.0, 0.0, 0.5]], [[1, 2, 2]], ties)
    padded = losses([[1.0, 0.0, 0.5, 77.0, math.nan]], [[1, 2, 2, 0, 0]], ties)
    assert short.item() == pytest.approx(padded.item(), rel=1e-12)


def test_a_huge_wrong_margin_stays_finite():
    rewards = torch.tensor([[-400.0, 400.0]], requires_grad=True)
    found = RankingLoss(TrainConfig())(rewards, torch.tensor([[1, 2]]))
    found.sum().backward()
    assert found.item() == 800.0
    assert rewards.grad.tolist() == [[-1.0, 1.0]]


def test_half_precision_rewards_are_compared_in_float32():
    rewards = torch.tensor([[1.0, 0.0]], dtype=torch.bfloat16)
    found = RankingLoss(TrainConfig())(rewards, torch.tensor([[1, 2]]))
    assert found.dtype == torch.float32
    assert found.item() == pytest.approx(0.313262, abs=1e-6)


@both
@given(batch=batches)
def test_a_batch_equals_its_rankings_one_by_one(ties, batch):
    longest = max(len(row) for row in batch)
    rewards = [[reward for reward, _ in row] + [0.0] * (longest - len(row)) for row in batch]
    ranks = pad_ranks([tuple(rank for _, rank in row) for row in batch])
    objective = RankingLoss(TrainConfig(ties=ties))
    found = objective(torch.tensor(rewards, dtype=torch.float64), ranks)
    expected = [slow_loss([r for r, _ in row], [k for _, k in row], ties) for row in batch]
    assert found.tolist() == pytest.approx(expected, rel=1e-12, abs=1e-12)


@both
@given(row=ranking, shift=st.floats(-10, 10))
def test_only_differences_count(ties, row, shift):
    rewards, ranks = [reward for reward, _ in row], [rank for _, rank in row]
    shifted = [reward + shift for reward in rewards]
    assert losses([shifted], [ranks], ties).item() == pytest.approx(
        losses([rewards], [ranks], ties).item(), abs=1e-9
    )


@both
@given(row=ranking, seed=st.randoms())
def test_the_order_of_responses_does_not_count(ties, row, seed):
    mixed = list(row)
    seed.shuffle(mixed)
    found = [losses([[r for r, _ in x]], [[k for _, k in x]], ties).item() for x in (row, mixed)]
    assert found[0] == pytest.approx(found[1], rel=1e-12)
