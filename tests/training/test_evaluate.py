"""Figures on held-out prompts, by hand."""

import math

import numpy as np
import pandas as pd
import pytest

from training.config import TrainConfig
from training.dataset import TokenizedPrompt, TokenizedRanking
from training.evaluate import (
    Verdict,
    bootstrap,
    by_prompt,
    escape,
    held_out_metrics,
    ranking_table,
    rate,
    texts_table,
)
from training.loss import RankingLoss

DROP = RankingLoss(TrainConfig())


def interval(table):
    return bootstrap(rate, by_prompt(table))


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


def test_a_row_for_each_ranking():
    table = ranking_table(RANKINGS, REWARDS, DROP)
    assert table["comparisons"].tolist() == [3, 1, 1]
    assert table["agreed"].tolist() == [2.5, 0.0, 1.0]
    assert table["labeller"].tolist() == ["ann", "bob", "ann"]


def test_the_longer_one_wins_counts_equal_lengths_half():
    table = ranking_table(RANKINGS, REWARDS, DROP)
    assert table["longer"].tolist() == [0.0, 1.0, 0.5]


def test_the_loss_is_that_of_training():
    table = ranking_table(RANKINGS, REWARDS, DROP)
    expected = [(0.313262 * 2 + math.log(2)) / 3, 1.313262, math.log1p(math.exp(-3))]
    assert table["loss"].tolist() == pytest.approx(expected, abs=1e-5)


def test_the_metrics_of_the_held_out_side():
    metrics = held_out_metrics(Verdict(REWARDS, ranking_table(RANKINGS, REWARDS, DROP)))
    assert (metrics["prompts"], metrics["rankings"], metrics["comparisons"]) == (2, 3, 5)
    assert metrics["accuracy"] == pytest.approx(3.5 / 5)
    assert metrics["longer_wins"] == pytest.approx(1.5 / 5)
    assert metrics["loss"] == pytest.approx((0.439890 + 1.313262 + 0.048587) / 3, abs=1e-5)
    assert metrics["reward_mean"] == pytest.approx(7 / 5)
    assert metrics["reward_std"] == pytest.approx(np.std([2, 1, 1, 0, 3]))


def test_the_interval_is_over_prompts_and_the_same_each_time():
    # Ten rankings of each prompt, all alike: as ten prompts they would look far surer.
    rows = [
        {"prompt": str(prompt), "agreed": prompt % 2, "comparisons": 1}
        for prompt in range(6)
        for _ in range(10)
    ]
    low, high = interval(pd.DataFrame(rows))
    # Of six prompts, three right: 2.5 % of the samples have at most one right, and at least five.
    assert (low, high) == (1 / 6, 5 / 6)
    assert interval(pd.DataFrame(rows)) == (low, high)


def test_the_interval_holds_the_accuracy():
    rows = [{"prompt": str(n), "agreed": n % 3 > 0, "comparisons": 1} for n in range(9)]
    low, high = interval(pd.DataFrame(rows))
    assert 0 < low < 6 / 9 < high < 1


def test_there_is_no_interval_over_a_handful_of_prompts():
    assert all(math.isnan(end) for end in interval(ranking_table(RANKINGS, REWARDS, DROP)))


def test_the_interval_narrows_with_more_prompts():
    def width(prompts):
        rows = [{"prompt": str(n), "agreed": n % 2, "comparisons": 1} for n in range(prompts)]
        low, high = interval(pd.DataFrame(rows))
        return high - low

    assert width(400) == pytest.approx(2 * 1.96 * 0.5 / 20, rel=0.1)
    assert width(400) < width(40) / 2


def test_texts_stand_with_reward_and_human_ranks():
    prompt = prompt_of("first", [1, 1, 1])
    prompt.messages = [{"role": "user", "content": "Which?"}]
    prompt.texts = ["low", "high", "middle"]
    rankings = [
        TokenizedRanking(prompt, (0, 1, 2), (3, 1, 2), "ann"),
        TokenizedRanking(prompt, (1, 2), (2, 1), "bob"),
    ]
    lines = texts_table(prompt, [0.5, 2.0, 1.0], rankings).splitlines()
    assert lines[0] == "**user:** Which&#63;"
    assert lines[-3:] == [
        "| 2.000 | 1, 2 | high |",
        "| 1.000 | 2, 1 | middle |",
        "| 0.500 | 3 | low |",
    ]


@pytest.mark.parametrize("text", ["<script>", "a | b", "*b* _c_ `d`", "[x](y)", "# h", "&lt;"])
def test_hostile_texts_are_escaped(text):
    assert not set(escape(text)) & set("<>|*_`[]()\\!")
    assert escape(text).count("&") == escape(text).count(";") == escape(text).count("&#")


def test_line_breaks_stay_within_the_table():
    assert escape("one\n\n  two\r\nthree\n") == "one<br>two<br>three"


def test_a_long_text_is_shortened():
    assert len(escape("x" * 5000)) < 1600
