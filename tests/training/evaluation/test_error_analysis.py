"""Held-out texts for people to look at."""

import pytest

from tests.training.evaluation.test_evaluate import prompt_of
from training.data.dataset import TokenizedRanking
from training.evaluation.error_analysis import (
    errors_table,
    escape,
    texts_table,
)


def test_texts_stand_with_reward_and_human_ranks():
    prompt = prompt_of("first", [1, 1, 1])
    prompt.messages = [{"role": "user", "content": "Which?"}]
    prompt.texts = ["low", "high", "middle"]
    rankings = [
        TokenizedRanking(prompt, (0, 1, 2), (3, 1, 2), "ann"),
        TokenizedRanking(prompt, (1, 2), (2, 1), "bob"),
    ]
    lines = texts_table(prompt, [0.5, 2.0, 1.0], rankings).splitlines()
    assert lines[0] == "**user:** Which?"
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


def test_errors_stand_with_both_texts():
    error = {
        "messages": [{"role": "user", "content": "2 < 3?"}],
        "better": {"rank": 1, "reward": -1.0, "text": "Yes."},
        "worse": {"rank": 2, "reward": 0.5, "text": "<b>No"},
    }
    assert errors_table([error]).splitlines() == [
        "**user:** 2 &#60; 3?",
        "",
        "| reward | human rank | response |",
        "|---:|---|---|",
        "| -1.000 | 1 | Yes. |",
        "| 0.500 | 2 | &#60;b&#62;No |",
    ]


def test_without_errors_it_says_so():
    assert errors_table([]) == "No held-out comparison is the wrong way round."
