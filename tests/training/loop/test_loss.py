"""The ranking loss, by hand and against a slow reference."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from training.config import TrainConfig
from training.loop.loss import RankingLoss, pad_groups, pad_ranks
from training.rankings import UNRANKED, below_the_ranked, comparisons, has_comparison

rank = st.integers(1, 4) | st.just(UNRANKED)
ranking = st.lists(st.tuples(st.floats(-20, 20), rank), min_size=2, max_size=9)
batches = st.lists(ranking, min_size=1, max_size=4)
both = pytest.mark.parametrize("ties", ["drop", "half", "davidson"])


def objective_of(nu=1.0, **settings):
    objective = RankingLoss(TrainConfig(**settings)).double()
    if objective.log_nu is not None:
        objective.log_nu.data.fill_(math.log(nu))
    return objective


def losses(rewards, ranks, ties="drop", **settings):
    objective = objective_of(ties=ties, **settings)
    return objective(torch.tensor(rewards, dtype=torch.float64), torch.tensor(ranks))


def slow_loss(rewards, ranks, ties="drop", nu=1.0, margin=0.0, label_smoothing=0.0):
    """One comparison after the other, as the formulas are written."""

    def log_win(lead):
        if ties != "davidson":
            return log_sigmoid(lead)
        return -math.log(1 + math.exp(-lead) + nu * math.exp(-lead / 2))

    terms = []
    places = below_the_ranked(ranks)
    for pair in comparisons(ranks, ties):
        lead = rewards[pair.better] - rewards[pair.worse]
        lead -= margin * (places[pair.worse] - places[pair.better])
        right = pair.target - label_smoothing * (2 * pair.target - 1)
        if ties == "davidson" and pair.target == 0.5:
            terms.append(-math.log(nu) + math.log(nu + math.exp(lead / 2) + math.exp(-lead / 2)))
        else:
            terms.append(-right * log_win(lead) - (1 - right) * log_win(-lead))
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
    assert found.tolist() == pytest.approx([0.0, slow_loss([1, 0], [1, 2], ties)], abs=1e-6)
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
    found = objective_of(ties=ties)(torch.tensor(rewards, dtype=torch.float64), ranks)
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


@given(row=ranking, margin=st.floats(0, 2), smoothing=st.floats(0, 0.49))
@pytest.mark.parametrize("ties", ["drop", "half"])
def test_margin_and_smoothing_are_those_of_the_formula(ties, row, margin, smoothing):
    rewards, ranks = [reward for reward, _ in row], [rank for _, rank in row]
    found = losses([rewards], [ranks], ties, margin=margin, label_smoothing=smoothing).item()
    expected = slow_loss(rewards, ranks, ties, margin=margin, label_smoothing=smoothing)
    assert found == pytest.approx(expected, rel=1e-12, abs=1e-12)


@given(row=ranking, nu=st.floats(0.01, 20), smoothing=st.floats(0, 0.49))
def test_davidson_is_that_of_the_formula(row, nu, smoothing):
    rewards, ranks = [reward for reward, _ in row], [rank for _, rank in row]
    found = losses([rewards], [ranks], "davidson", nu=nu, label_smoothing=smoothing).item()
    expected = slow_loss(rewards, ranks, "davidson", nu=nu, label_smoothing=smoothing)
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_davidson_at_equal_rewards_says_one_third_each():
    assert losses([[0.0, 0.0]], [[1, 2]], "davidson").item() == pytest.approx(math.log(3))


def test_davidson_by_hand():
    # Strengths e^2, 1 and, for the tie, 3e: 7.389056, 1 and 8.154845, together 16.543902. The other
    # comparisons have 1, 1 and 3 (a tie of equals) and the same strengths again.
    found = losses([[2.0, 0.0, 0.0]], [[1, 2, 2]], "davidson", nu=3.0).item()
    expected = 2 * -math.log(7.389056 / 16.543902) - math.log(3 / 5)
    assert found == pytest.approx(expected / 3, abs=1e-6)


@given(row=ranking)
def test_davidson_without_ties_is_the_plain_loss(row):
    rewards, ranks = [reward for reward, _ in row], list(range(1, len(row) + 1))
    found = losses([rewards], [ranks], "davidson", nu=1e-18).item()
    assert found == pytest.approx(losses([rewards], [ranks]).item(), rel=1e-6, abs=1e-8)


def test_davidson_learns_how_often_people_tie():
    """At equal rewards the probability of a tie is nu / (2 + nu), and here 3 of 4 are ties."""
    rewards, ranks = torch.zeros(4, 2).double(), torch.tensor([[1, 2], [1, 1], [1, 1], [1, 1]])
    for nu, expected in ((6.0, 0.0), (2.0, 1 / 2 - 3 / 4), (18.0, 9 / 10 - 3 / 4)):
        objective = objective_of(nu, ties="davidson", batching="shuffled")
        objective(rewards, ranks).mean().backward()
        assert objective.log_nu.grad.item() == pytest.approx(expected, abs=1e-9)


def test_davidson_s_nu_survives_saving():
    objective, other = objective_of(2.5, ties="davidson"), objective_of(ties="davidson")
    other.load_state_dict(objective.state_dict())
    assert other.figures() == {"davidson_nu": pytest.approx(2.5)}
    assert objective_of().figures() == objective_of().state_dict() == {}


def test_a_tied_pair_of_shuffled_comparisons_counts():
    found = losses([[1.0, 0.0]], [[1, 1]], "half", batching="shuffled").item()
    assert found == pytest.approx((0.313262 + 1.313262) / 2, abs=1e-6)
    assert losses([[1.0, 0.0]], [[1, 1]], "drop", batching="shuffled").item() == 0.0


def test_reward_centering_adds_the_square_of_the_mean_reward():
    found = losses(
        [[3.0, 2.0, 77.0], [1.0, 1.0, 0.0]], [[1, 2, 0], [1, 1, 1]], reward_centering=0.1
    )
    assert found.tolist() == pytest.approx([0.313262 + 0.1 * 2.5**2, 0.0], abs=1e-6)


def test_a_margin_grows_with_the_distance_of_ranks():
    # Rewards 2, 1 and 0 are each just what a margin of 1 a rank asks for.
    found = losses([[2.0, 1.0, 0.0]], [[1, 2, 3]], margin=1.0).item()
    assert found == pytest.approx(math.log(2))


def test_smoothing_is_at_its_best_where_the_odds_are_those_of_the_label():
    rewards = torch.tensor([[math.log(9), 0.0]], dtype=torch.float64, requires_grad=True)
    objective_of(label_smoothing=0.1)(rewards, torch.tensor([[1, 2]])).sum().backward()
    assert rewards.grad.tolist()[0] == pytest.approx([0.0, 0.0], abs=1e-12)


@pytest.mark.parametrize(
    "chosen",
    [
        {"margin": 1.0, "label_smoothing": 0.2, "reward_centering": 0.5},
        {"ties": "davidson", "label_smoothing": 0.2, "reward_centering": 0.5},
        {"loss": "plackett-luce", "reward_centering": 0.5},
    ],
)
def test_what_is_judged_by_is_the_log_loss_of_comparisons(chosen):
    rewards, ranks = [2.0, 1.0, 0.5], [1, 2, 2]
    objective = objective_of(**chosen)
    tensors = torch.tensor([rewards]), torch.tensor([ranks])
    expected = slow_loss(rewards, ranks, objective.ties)
    assert objective.evaluation_loss(*tensors).item() == pytest.approx(expected, abs=1e-6)
    assert objective(*tensors).item() > expected + 0.1


def slow_plackett_luce(rewards, ranks):
    """Each response chosen from itself and all worse ones."""
    total = weight = 0.0
    for reward, rank in zip(rewards, ranks, strict=True):
        others = [r for r, other in zip(rewards, ranks, strict=True) if other > rank]
        total += math.log(1 + sum(math.exp(other - reward) for other in others))
        weight += math.log2(1 + len(others))
    return total / weight if weight else 0.0


def test_plackett_luce_by_hand():
    # Strengths 4, 2 and 1: the first of all three with 4/7, the second of two with 2/3.
    found = losses([[math.log(4), math.log(2), 0.0]], [[1, 2, 3]], loss="plackett-luce").item()
    expected = -math.log(4 / 7) - math.log(2 / 3)
    assert found == pytest.approx(expected / math.log2(6), abs=1e-12)


def test_plackett_luce_compares_tied_responses_with_worse_ones_only():
    # Strengths 4 and 2, tied, and 1: 4/5 and 2/3.
    found = losses([[math.log(4), math.log(2), 0.0]], [[1, 1, 2]], loss="plackett-luce").item()
    assert found == pytest.approx(-math.log(4 / 5 * 2 / 3) / 2, abs=1e-12)


@given(batch=batches)
def test_plackett_luce_is_that_of_the_formula(batch):
    longest = max(len(row) for row in batch)
    rewards = [[reward for reward, _ in row] + [math.nan] * (longest - len(row)) for row in batch]
    ranks = pad_ranks([tuple(rank for _, rank in row) for row in batch])
    found = losses(rewards, ranks.tolist(), loss="plackett-luce")
    expected = [slow_plackett_luce([r for r, _ in row], [k for _, k in row]) for row in batch]
    assert found.tolist() == pytest.approx(expected, rel=1e-9, abs=1e-12)


@given(first=st.floats(-20, 20), second=st.floats(-20, 20), ranks=st.sampled_from([[1, 2], [1, 1]]))
def test_plackett_luce_of_two_is_bradley_terry(first, second, ranks):
    found, expected = (
        losses([[first, second]], [ranks], loss=loss).item()
        for loss in ("plackett-luce", "bradley-terry")
    )
    assert found == pytest.approx(expected, rel=1e-12, abs=1e-12)


@given(st.lists(st.integers(1, 4), min_size=2, max_size=9).filter(has_comparison))
def test_equal_rewards_cost_the_logarithm_of_2_in_plackett_luce_too(ranks):
    found = losses([[0.7] * len(ranks)], [ranks], loss="plackett-luce").item()
    assert found == pytest.approx(math.log(2))


def test_plackett_luce_of_an_all_tied_ranking_is_nothing_and_neither_is_its_gradient():
    rewards = torch.tensor([[1.0, 2.0, 5.0], [-400.0, 400.0, 5.0]], requires_grad=True)
    found = RankingLoss(TrainConfig(loss="plackett-luce"))(
        rewards, torch.tensor([[1, 1, 0], [1, 2, 0]])
    )
    found.sum().backward()
    assert found.tolist() == [0.0, 800.0]
    assert rewards.grad.tolist() == [[0.0, 0.0, 0.0], [-1.0, 1.0, 0.0]]


@pytest.mark.parametrize(
    ("loss", "ties"),
    [
        ("bradley-terry", "drop"),
        ("bradley-terry", "half"),
        ("bradley-terry", "davidson"),
        ("plackett-luce", "drop"),
    ],
)
def test_responses_of_a_group_are_not_compared(loss, ties):
    objective = RankingLoss(TrainConfig(loss=loss, ties=ties))
    rewards = torch.tensor([[0.5, 0.5, -1.0]], requires_grad=True)
    ranks = pad_ranks([(1, 3, 2)])
    groups = pad_groups([(0, 0, 2)], ranks)
    alone = [
        objective(torch.tensor([[0.5, -1.0]]), pad_ranks([pair])).item()
        for pair in ((1, 2), (2, 1))
    ]
    found = objective(rewards, ranks, groups)
    assert found.item() == pytest.approx(sum(alone) / 2)
    if loss == "bradley-terry":
        assert objective.evaluation_loss(rewards, ranks, groups).item() == found.item()


def test_without_groups_all_responses_differ():
    ranks = pad_ranks([(1, 2), (1, 2, 3)])
    assert pad_groups([(), ()], ranks) is None
    assert pad_groups([(), (0, 0, 2)], ranks).tolist() == [[0, 1, 2], [0, 0, 2]]


ALL = pytest.mark.parametrize(
    "chosen",
    [
        {"ties": "drop"},
        {"ties": "half"},
        {"ties": "davidson"},
        {"ties": "half", "margin": 0.5, "label_smoothing": 0.1},
    ],
)


@ALL
def test_a_partial_ranking_costs_what_its_known_pairs_cost_and_no_more(chosen):
    """A above B, and both above C, D and E, whose order is not known: seven pairs."""
    objective = objective_of(**chosen)
    values = torch.tensor([0.3, -0.2, 0.9, -1.0, 0.1], dtype=torch.float64)
    rewards = values.clone().requires_grad_()
    found = objective(rewards[None], torch.tensor([[1, 2, UNRANKED, UNRANKED, UNRANKED]]))
    found.sum().backward()

    alone = values.clone().requires_grad_()
    pairs = [(0, 1, 1), *((i, j, 3 - 1 - i) for i in (0, 1) for j in (2, 3, 4))]
    terms = [
        objective(alone[[better, worse]][None], torch.tensor([[1, 1 + distance]]))
        for better, worse, distance in pairs
    ]
    expected = torch.cat(terms).mean()
    expected.backward()
    assert found.item() == pytest.approx(expected.item(), abs=1e-12)
    assert rewards.grad.tolist() == pytest.approx(alone.grad.tolist(), abs=1e-12)


def test_ties_are_not_learned_from_what_was_left_unranked():
    objective = objective_of(ties="davidson")
    rewards = torch.zeros((1, 3), dtype=torch.float64)
    objective(rewards, torch.tensor([[1, UNRANKED, UNRANKED]])).sum().backward()
    unranked = objective.log_nu.grad.item()
    objective.log_nu.grad = None
    objective(rewards, torch.tensor([[1, 2, 2]])).sum().backward()
    assert unranked > 0  # two wins: ties are rarer than they were thought to be
    assert objective.log_nu.grad.item() < unranked


def test_plackett_luce_of_a_partial_ranking_is_the_likelihood_of_the_first_choices():
    # Strengths 8, 4, 2, 1: the first of all with 8/15, the second of the other three with 4/7.
    strengths = torch.tensor([[8.0, 4.0, 2.0, 1.0]], dtype=torch.float64)
    rewards = strengths.log().requires_grad_()
    ranks = torch.tensor([[1, 2, UNRANKED, UNRANKED]])
    found = objective_of(loss="plackett-luce")(rewards, ranks)
    found.sum().backward()
    weight = math.log2(4) + math.log2(3)
    assert found.item() == pytest.approx(-math.log(8 / 15 * 4 / 7) / weight, abs=1e-12)
    expected = [8 / 15 - 1, 4 / 15 + 4 / 7 - 1, 2 / 15 + 2 / 7, 1 / 15 + 1 / 7]
    assert rewards.grad[0].tolist() == pytest.approx([e / weight for e in expected], abs=1e-12)
