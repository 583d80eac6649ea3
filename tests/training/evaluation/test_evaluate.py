"""Figures on held-out prompts, by hand."""

import json
import math
import warnings
from itertools import combinations

import numpy as np
import pytest

from training.config import TrainConfig
from training.data.dataset import TokenizedPrompt, TokenizedRanking
from training.evaluation.evaluate import (
    brief,
    curves,
    evaluate,
    held_out_metrics,
)
from training.evaluation.metrics import agreed
from training.loop.loss import RankingLoss
from training.runs.json_files import finite

DROP = RankingLoss(TrainConfig())


def prompt_of(name, characters):
    empty = np.zeros(0, dtype=np.int32)
    return TokenizedPrompt(name, name, empty, [empty] * len(characters), list(characters))


FIRST, SECOND = prompt_of("first", [10, 20, 30]), prompt_of("second", [5, 5])
RANKINGS = [
    TokenizedRanking(FIRST, (0, 1, 2), (1, 2, 3), "ann"),
    TokenizedRanking(FIRST, (2, 0), (1, 2), "bob"),
    TokenizedRanking(SECOND, (0, 1), (2, 1), "ann"),
]
REWARDS = {"first": [2.0, 1.0, 1.0], "second": [0.0, 3.0]}
MARGINS = [1, 1, 0, -1, 3]
NO_INTERVAL = {"accuracy_low": None, "accuracy_high": None}


@pytest.fixture
def evaluation():
    return evaluate(RANKINGS, REWARDS, DROP)


def metrics_of(evaluation, **baselines):
    found = {"longer_wins": evaluation.comparisons["longer"].to_numpy()} | baselines
    return finite(held_out_metrics(evaluation, found))


def test_a_row_for_each_ranking(evaluation):
    assert evaluation.table["comparisons"].tolist() == [3, 1, 1]
    assert evaluation.table["agreed"].tolist() == [2.5, 0.0, 1.0]
    assert evaluation.table["labeller"].tolist() == ["ann", "bob", "ann"]


def test_a_row_for_each_comparison(evaluation):
    found = evaluation.comparisons
    assert found["prompt"].tolist() == ["first"] * 4 + ["second"]
    assert found["labeller"].tolist() == ["ann"] * 3 + ["bob", "ann"]
    assert found["margin"].tolist() == MARGINS
    assert found["agreed"].tolist() == [1, 1, 0.5, 0, 1]
    assert found["longer"].tolist() == [0, 0, 0, 1, 0.5]


def test_the_loss_is_that_of_training(evaluation):
    expected = [(0.313262 * 2 + math.log(2)) / 3, 1.313262, math.log1p(math.exp(-3))]
    assert evaluation.table["loss"].tolist() == pytest.approx(expected, abs=1e-5)


def test_the_metrics_of_the_held_out_side(evaluation):
    metrics = metrics_of(evaluation)
    assert (metrics["prompts"], metrics["rankings"], metrics["comparisons"]) == (2, 3, 5)
    assert metrics["accuracy"] == pytest.approx(3.5 / 5)
    assert metrics["longer_wins"] == pytest.approx(1.5 / 5)
    assert metrics["loss"] == pytest.approx((0.439890 + 1.313262 + 0.048587) / 3, abs=1e-5)
    assert metrics["log_loss"] == pytest.approx(
        (2 * 0.313262 + math.log(2) + 1.313262 + 0.048587) / 5, abs=1e-5
    )
    assert metrics["top1"] == pytest.approx(2 / 3)
    assert metrics["kendall_tau"] == pytest.approx((2 / math.sqrt(6) - 1 + 1) / 3)
    assert metrics["reward_mean"] == pytest.approx(7 / 5)
    assert metrics["reward_std"] == pytest.approx(np.std([2, 1, 1, 0, 3]))
    assert metrics["by_gap"] == [
        {"gap": 1, "comparisons": 4, "accuracy": 2.5 / 4, **NO_INTERVAL},
        {"gap": 2, "comparisons": 1, "accuracy": 1.0, **NO_INTERVAL},
    ]
    assert metrics["by_length"] == [
        {"length": "under_half", "comparisons": 1, "accuracy": 1.0, **NO_INTERVAL},
        {"length": "shorter", "comparisons": 2, "accuracy": 1.5 / 2, **NO_INTERVAL},
        {"length": "near_equal", "comparisons": 1, "accuracy": 1.0, **NO_INTERVAL},
        {"length": "over_twice", "comparisons": 1, "accuracy": 0.0, **NO_INTERVAL},
    ]
    assert metrics["by_responses"] == [
        {"responses": 2, "comparisons": 2, "accuracy": 1 / 2, **NO_INTERVAL},
        {"responses": 3, "comparisons": 3, "accuracy": pytest.approx(2.5 / 3), **NO_INTERVAL},
    ]
    assert metrics["by_labeller"] == [
        {"labeller": "ann", "comparisons": 4, "accuracy": 3.5 / 4, **NO_INTERVAL},
        {"labeller": "bob", "comparisons": 1, "accuracy": 0.0, **NO_INTERVAL},
    ]
    assert metrics["near_equal"] == {
        "comparisons": 1,
        "accuracy": 1.0,
        "accuracy_low": None,
        "accuracy_high": None,
    }


def test_a_baseline_stands_beside_the_model_on_the_same_comparisons(evaluation):
    scores = {"first": [0.0, 1.0, 1.0], "second": [0.0, 1.0]}
    assert evaluation.margins(scores).tolist() == [-1, -1, 0, 1, 1]
    found = metrics_of(evaluation, words=agreed(evaluation.margins(scores)))["baselines"]
    assert set(found) == {"longer_wins", "words"}
    assert found["words"]["accuracy"] == pytest.approx(2.5 / 5)
    assert found["words"]["gain"] == pytest.approx(1 / 5)
    assert found["words"]["near_equal"]["accuracy"] == 1.0
    assert found["words"]["near_equal"]["gain"] == 0.0
    assert found["longer_wins"]["gain"] == pytest.approx(2 / 5)


def test_one_labeller_is_not_listed():
    assert metrics_of(evaluate(RANKINGS[2:], {"second": [0.0, 3.0]}, DROP))["by_labeller"] == []


def test_rankings_without_a_name_are_one_labellers():
    unnamed = TokenizedRanking(SECOND, (0, 1), (2, 1), None)
    found = metrics_of(evaluate([*RANKINGS[:1], unnamed], REWARDS, DROP))["by_labeller"]
    assert found[-1] == {"labeller": None, "comparisons": 1, "accuracy": 1.0, **NO_INTERVAL}


@pytest.mark.parametrize("rewards", [[0.0, 0.0], [1e30, -1e30]])
def test_a_single_ranking_with_rewards_all_equal_or_vast_gives_figures(rewards):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        evaluation = evaluate(RANKINGS[2:], {"second": rewards}, DROP)
        metrics = metrics_of(evaluation)
    json.dumps(metrics, allow_nan=False)
    assert metrics["length"]["spearman"] is None
    assert set(curves(evaluation)) >= {"loss", "accuracy", "near_equal_accuracy"}


def test_what_is_said_of_the_training_side(evaluation):
    assert brief(evaluation) == {
        "prompts": 2,
        "rankings": 3,
        "comparisons": 5,
        "loss": evaluation.loss,
        "chance_loss": math.log(2),
        "accuracy": evaluation.accuracy,
    }


def test_losses_have_the_interval_of_their_means_over_prompts():
    dice = np.random.default_rng(3)
    names = [f"{number:02d}" for number in range(40)]
    rankings = [
        TokenizedRanking(prompt_of(name, [10, 20, 30]), (0, 1, 2), (1, 2, 3), "ann")
        for name in names
    ]
    rewards = {name: dice.normal(size=3).tolist() for name in names}
    evaluation = evaluate(rankings, rewards, DROP)
    metrics = metrics_of(evaluation)
    by_prompt = [
        [math.log1p(math.exp(other - one)) for one, other in combinations(rewards[name], 2)]
        for name in names
    ]
    means = np.array([np.mean(losses) for losses in by_prompt])  # three comparisons each
    half = 1.96 * means.std() / len(means) ** 0.5
    for name in ("loss", "log_loss"):  # without ties, both are the mean over comparisons
        assert metrics[name] == pytest.approx(means.mean(), abs=1e-5)
        assert metrics[f"{name}_low"] == pytest.approx(means.mean() - half, abs=half / 4)
        assert metrics[f"{name}_high"] == pytest.approx(means.mean() + half, abs=half / 4)
    alone = evaluate(rankings[:1], {names[0]: rewards[names[0]]}, DROP)
    assert metrics_of(alone)["log_loss_low"] is None
