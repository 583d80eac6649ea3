"""The sums of each held-out prompt, by hand and against the figures of the run."""

import math

import numpy as np
import pytest

from training.config import TrainConfig
from training.data.dataset import TokenizedPrompt, TokenizedRanking
from training.evaluation.evaluate import evaluate, held_out_metrics
from training.evaluation.judgements import judgements
from training.loop.loss import RankingLoss


def prompt_of(name, characters):
    empty = np.zeros(0, dtype=np.int32)
    return TokenizedPrompt(name, name, empty, [empty] * len(characters), list(characters))


FIRST, SECOND = prompt_of("first", [10, 20, 30]), prompt_of("second", [5, 5, 5])
RANKINGS = [
    TokenizedRanking(SECOND, (0, 1, 2), (2, 1, 1), "ann"),
    TokenizedRanking(FIRST, (0, 1, 2), (1, 2, 3), "ann"),
    TokenizedRanking(FIRST, (2, 0), (1, 2), "bob"),
]
REWARDS = {"first": [2.0, 1.0, 1.0], "second": [0.0, 3.0, 0.0]}


@pytest.fixture
def evaluation():
    return evaluate(RANKINGS, REWARDS, RankingLoss(TrainConfig()))


def test_a_line_for_each_prompt(evaluation):
    # Margins: 1, 1, 0 and -1 of the first prompt, 3 and 0 of the second.
    of_first = 2 * math.log1p(math.exp(-1)) + math.log(2) + math.log1p(math.exp(1))
    of_second = math.log1p(math.exp(-3)) + math.log(2)
    assert list(judgements(evaluation)) == [
        {
            "prompt": "first", "agreed": 2.5, "comparisons": 4, "near_agreed": 0.0,
            "near_comparisons": 0, "log_loss": pytest.approx(of_first),
        },
        {
            "prompt": "second", "agreed": 1.5, "comparisons": 2, "near_agreed": 1.5,
            "near_comparisons": 2, "log_loss": pytest.approx(of_second),
        },
    ]  # fmt: skip


def test_the_sums_are_those_of_the_metrics(evaluation):
    found = held_out_metrics(evaluation, {})
    total = {
        name: sum(line[name] for line in judgements(evaluation))
        for name in ("agreed", "comparisons", "log_loss", "near_agreed", "near_comparisons")
    }
    assert total["comparisons"] == found["comparisons"]
    assert total["near_comparisons"] == found["near_equal"]["comparisons"]
    assert total["agreed"] / total["comparisons"] == pytest.approx(found["accuracy"])
    assert total["log_loss"] / total["comparisons"] == pytest.approx(found["log_loss"])
    near = total["near_agreed"] / total["near_comparisons"]
    assert near == pytest.approx(found["near_equal"]["accuracy"])
