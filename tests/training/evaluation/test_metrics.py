"""Each figure on tables small enough to compute by hand, and against scipy."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import kendalltau, pearsonr, spearmanr

from training.config import TrainConfig
from training.evaluation.metrics import (
    accuracy_by,
    agreed,
    calibration,
    chance_loss,
    comparison_table,
    groups_of,
    kendall_tau_b,
    length_figures,
    log_loss,
    margins,
    padded,
    tied_share,
    top1,
)
from training.loop.loss import RankingLoss, pad_groups, pad_ranks
from training.rankings import UNRANKED
from training.selection.bootstrap import bootstrap, by_prompt, rate

RANKS = padded([(2, 1, 2), (1, 2), (3, 3, 1)], np.int64)
CHARACTERS = padded([(100, 125, 126), (10, 10), (8, 10, 1)], np.float64)


def test_shorter_rows_are_padded():
    assert RANKS.tolist() == [[2, 1, 2], [1, 2, 0], [3, 3, 1]]


def test_comparisons_are_pairs_ranked_apart_the_better_first():
    table = comparison_table(RANKS, CHARACTERS)
    rows = table[["ranking", "better", "worse", "gap"]].to_numpy().tolist()
    assert rows == [[0, 1, 0, 1], [0, 1, 2, 1], [1, 0, 1, 1], [2, 2, 0, 2], [2, 2, 1, 2]]
    assert table["characters_better"].tolist() == [125, 125, 10, 1, 1]
    assert table["characters_worse"].tolist() == [100, 126, 10, 8, 10]


def test_lengths_are_near_equal_up_to_a_quarter_more_than_the_shorter():
    ranks = padded([(1, 2)] * 3, np.int64)
    table = comparison_table(ranks, np.array([[100, 125], [126, 100], [4, 5]]))
    assert table["near"].tolist() == [True, False, True]


def test_a_margin_is_better_less_worse():
    scores = np.array([[1.0, 2.0, 4.0], [0.0, 3.0, 9.0], [1.0, 1.0, 1.0]])
    assert margins(comparison_table(RANKS, CHARACTERS), scores).tolist() == [1, -2, -3, 0, 0]


def test_equal_scores_agree_by_half():
    assert agreed(np.array([2.0, 0.0, -0.1])).tolist() == [1.0, 0.5, 0.0]


@pytest.mark.parametrize(
    ("ranks", "rewards", "right"),
    [
        ((1, 2, 3), (3.0, 2.0, 1.0), 1.0),
        ((1, 2, 3), (1.0, 2.0, 1.5), 0.0),
        ((1, 1, 2), (0.0, 9.0, 1.0), 1.0),  # either of the best will do
        ((1, 2, 3), (5.0, 5.0, 1.0), 0.5),  # of two equal rewards one is right
        ((1, 2, 2), (0.0, 0.0, 0.0), 1 / 3),  # a constant reward chooses at random
        ((2, 1), (-9.0, -8.0), 1.0),
        ((2, 3), (1.0, 0.0), 1.0),  # the best rank need not be 1
    ],
)
def test_top1_is_the_share_of_the_models_best_that_are_peoples_best(ranks, rewards, right):
    # Beside a ranking of more responses, so that this one is padded.
    found = top1(
        padded([ranks, (1, 2, 3, 4)], np.int64),
        padded([rewards, (0.0, 0.0, 0.0, 7.0)], np.float64),
    )
    assert found.tolist() == pytest.approx([right, 0.0])


def test_tau_b_is_scipys_also_with_ties():
    random = np.random.default_rng(0)
    rows = [random.integers(1, 5, size=K) for K in random.integers(2, 9, size=200)]
    rewards = [random.integers(0, 4, size=len(row)).astype(float) for row in rows]
    expected = [
        kendalltau(-row, reward).statistic for row, reward in zip(rows, rewards, strict=True)
    ]
    found = kendall_tau_b(padded(rows, np.int64), padded(rewards, np.float64))
    assert np.isnan(expected).sum() > 0
    assert found == pytest.approx(np.nan_to_num(expected))


def test_tau_b_by_hand():
    ranks = padded([(1, 2, 3), (1, 1, 2), (1, 2)], np.int64)
    rewards = padded([(3.0, 1.0, 2.0), (2.0, 1.0, 0.0), (5.0, 5.0)], np.float64)
    # Two pairs of three alike and one not; of three pairs two have a preference; nothing chosen.
    assert kendall_tau_b(ranks, rewards) == pytest.approx([1 / 3, 2 / math.sqrt(6), 0])


def test_guessing_has_a_log_loss_of_log_two():
    assert log_loss(np.zeros(3)) == pytest.approx(math.log(2))
    assert log_loss(np.array([1.0, -1.0])) == pytest.approx((0.313262 + 1.313262) / 2, abs=1e-6)


def test_accuracy_for_each_value_of_a_column():
    column = pd.Series(["ann", None, "ann", "bob"], name="labeller")
    found = accuracy_by(column, pd.Series([1.0, 0.5, 0.0, 1.0]), pd.Series(list("abcd")))
    few = {"accuracy_low": None, "accuracy_high": None}
    assert found == [
        {"labeller": "ann", "comparisons": 2, "accuracy": 0.5, **few},
        {"labeller": "bob", "comparisons": 1, "accuracy": 1.0, **few},
        {"labeller": None, "comparisons": 1, "accuracy": 0.5, **few},
    ]


@pytest.mark.parametrize("prompts", [41, 2501])
def test_a_group_has_the_interval_of_its_prompts(prompts):
    random = np.random.default_rng(2)
    size = 4 * prompts
    table = pd.DataFrame(
        {"prompt": [f"{n % prompts:05d}" for n in range(size)], "agreed": random.random(size) < 0.7}
    ).astype({"agreed": float})
    half = pd.Series(np.arange(size) % 2, name="half")
    for group in accuracy_by(half, table["agreed"], table["prompt"]):
        own = table[half == group["half"]].assign(comparisons=1.0)
        low, high = bootstrap(rate, by_prompt(own))
        assert group["accuracy"] == pytest.approx(own["agreed"].mean())
        assert (group["accuracy_low"], group["accuracy_high"]) == pytest.approx(
            (low, high), abs=0.02
        )


def test_only_the_largest_groups_have_intervals():
    column = pd.Series([*(["many"] * 60), *range(30)], name="labeller").astype(str)
    prompts = pd.Series([f"{n % 20}" for n in range(90)])
    found = accuracy_by(column, pd.Series([1.0, 0.0] * 45), prompts)
    assert len(found) == 31
    [many] = [group for group in found if group["labeller"] == "many"]
    assert many["accuracy_low"] < many["accuracy"] == 0.5 < many["accuracy_high"]


def logit(share):
    return math.log(share / (1 - share))


def test_calibration_by_hand():
    """Three of four at 72 % come true, and none of one at 92 %, whichever is the better one."""
    margin = np.array([logit(0.72)] * 3 + [-logit(0.72), -logit(0.92)])
    found = calibration(margin)
    assert len(found["bins"]) == 10
    full = [each for each in found["bins"] if each["comparisons"]]
    assert [(each["low"], each["high"], each["comparisons"]) for each in full] == [
        (0.7, 0.75, 4),
        (0.9, 0.95, 1),
    ]
    assert [each["confidence"] for each in full] == pytest.approx([0.72, 0.92])
    assert [each["accuracy"] for each in full] == pytest.approx([0.75, 0.0])
    assert found["ece"] == pytest.approx((4 * 0.03 + 1 * 0.92) / 5)


def test_a_constant_reward_is_calibrated_and_a_certain_one_lies_in_the_last_bin():
    constant, certain = calibration(np.zeros(4)), calibration(np.array([800.0, -800.0]))
    assert constant["bins"][0] == {
        "low": 0.5, "high": 0.55, "comparisons": 4, "confidence": 0.5, "accuracy": 0.5
    }  # fmt: skip
    assert constant["ece"] == 0
    assert certain["bins"][-1]["comparisons"] == 2
    assert certain["ece"] == pytest.approx(0.5)


def lengths_of(rewards, characters, prompts):
    responses = pd.DataFrame({"prompt": prompts, "reward": rewards, "characters": characters})
    comparisons = pd.DataFrame(
        {"characters_better": [20, 10, 7], "characters_worse": [10, 20, 7], "margin": [1, 1, 1.0]}
    )
    return length_figures(responses, comparisons)


def test_length_within_prompts_is_apart_from_length_between_them():
    """Within both prompts the shorter is better; the prompt of long texts has higher rewards."""
    rewards, characters = [1.0, 2.0, 3.0, 11.0, 12.0, 13.0], [3, 2, 1, 103, 102, 101]
    found = lengths_of(rewards, characters, list("aaabbb"))
    assert found["pearson_within_prompts"] == pytest.approx(-1)
    assert found["spearman_within_prompts"] == pytest.approx(-1)
    assert found["pearson"] == pytest.approx(pearsonr(rewards, characters).statistic)
    assert found["spearman"] == pytest.approx(spearmanr(rewards, characters).statistic)
    assert found["pearson"] > 0.9


def test_the_models_preference_for_length_counts_equal_lengths_half():
    found = lengths_of([1.0, 2.0], [1, 2], ["a", "a"])
    assert found["prefers_longer"] == pytest.approx(1.5 / 3)


def test_no_correlation_with_a_constant():
    found = lengths_of([1.0, 1.0], [1, 2], ["a", "a"])
    assert math.isnan(found["pearson"])
    assert math.isnan(found["spearman_within_prompts"])


@pytest.mark.parametrize("ties", ["drop", "half"])
def test_guessing_costs_log_two_without_ties_as_outcomes(ties):
    assert chance_loss(np.array([0.0, 0.5]), ties) == math.log(2)


@pytest.mark.parametrize("tied", [0.0, 0.2, 1 / 3, 0.7])
def test_with_davidson_guessing_is_the_best_constant_prediction(tied):
    """No value of nu does better at equal rewards, and ln 3 is the most it can cost."""
    found = chance_loss(np.array([tied, tied]), "davidson")
    nus = np.exp(np.linspace(-12, 6, 20001))
    costs = (1 - tied) * np.log(2 + nus) - tied * np.log(nus / (2 + nus))
    assert found == pytest.approx(costs.min(), abs=1e-5)
    assert found <= math.log(3) + 1e-12


def test_the_chance_loss_is_the_loss_of_equal_rewards():
    """It is the mean over rankings of the means over their pairs, of which one is of a group."""
    ranks = [(1, 2, 2), (1, 1, 1, 2), (1, 2)]
    groups = [(), (0, 0, 2, 3), ()]
    tied = tied_share(padded(ranks, np.int64), groups_of(groups, 4))
    assert tied.tolist() == pytest.approx([1 / 3, 2 / 5, 0])
    share = float(tied.mean())
    objective = RankingLoss(TrainConfig(ties="davidson")).double()
    objective.log_nu.data.fill_(math.log(2 * share / (1 - share)))
    padded_ranks = pad_ranks(ranks)
    rewards = torch.zeros(padded_ranks.shape, dtype=torch.float64)
    losses = objective.evaluation_loss(rewards, padded_ranks, pad_groups(groups, padded_ranks))
    assert chance_loss(tied, "davidson") == pytest.approx(losses.mean().item())


def test_unranked_responses_are_below_the_others_and_neither_tied_nor_ordered():
    ranks, rewards = np.array([[1, 2, UNRANKED, UNRANKED]]), np.array([[3.0, 2.0, 1.0, 0.0]])
    assert kendall_tau_b(ranks, rewards) == pytest.approx([1.0])
    assert tied_share(ranks, groups_of([()], 4)) == pytest.approx([0.0])
    table = comparison_table(ranks, np.array([[5, 5, 5, 5]]))
    assert table[["better", "worse", "gap"]].to_numpy().tolist() == [
        *([0, 1, 1], [0, 2, 2], [0, 3, 2]),
        *([1, 2, 1], [1, 3, 1]),
    ]


def test_responses_of_a_group_have_no_part_in_the_figures_of_a_ranking():
    ranks, rewards = np.array([[1, 2, 3]]), np.array([[0.0, 1.0, 0.0]])
    groups = groups_of([(0, 1, 0)], 3)
    assert kendall_tau_b(ranks, rewards, groups) == pytest.approx([0.0])
    assert top1(ranks, np.array([[1.0, 0.0, 1.0]]), groups) == pytest.approx([1.0])
    table = comparison_table(ranks, np.array([[5, 5, 5]]), groups)
    assert table[["better", "worse"]].to_numpy().tolist() == [[0, 1], [1, 2]]
