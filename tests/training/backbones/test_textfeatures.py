"""Features of texts, and their words by bucket."""

import math

import numpy as np
import pytest

from training.backbones.textfeatures import FEATURES, Text, features, word_counts


def found(prompt, response):
    values = features(Text(prompt), Text(response))
    assert len(values) == len(FEATURES)
    return dict(zip(FEATURES, values, strict=True))


def test_lengths_and_marks_are_counted():
    values = found("Why?", "**First**, read.\n\n- one\n- two\n\n```\ncode\n```")
    assert values["log lines"] == math.log1p(7)
    assert values["log paragraphs"] == math.log1p(2)
    assert values["log list marks"] == math.log1p(2)
    assert values["log code fences"] == math.log1p(2)
    assert values["log commas"] == math.log1p(1)
    assert values["log words"] == math.log1p(5)


def test_overlap_with_the_prompt():
    values = found("The Tower of London opened in 1100.", "In 1100 the Tower burned, in 1666 too.")
    assert values["share of the prompt's words"] == 4 / 7  # the, tower, in, 1100
    assert values["share of words from the prompt"] == 4 / 7  # burned, 1666 and too are new
    assert values["share of the prompt's numbers"] == 1.0
    assert values["share of numbers not in the prompt"] == 0.5
    assert values["share of the prompt's names"] == 1 / 3
    assert values["share of the prompt's word pairs"] == 2 / 6  # "the tower" and "in 1100"


def test_a_copy_of_the_prompt():
    values = found("Say hello to all.", " say hello to ALL. ")
    assert values["equal to the prompt"] == 1
    assert values["same words at the start as the prompt"] == 1
    assert values["log words over those of the prompt"] == 0
    assert values["has outer space"] == 1


@pytest.mark.parametrize("text", ["", " \n", "!?", "\U0001f600", "x" * 50_000, "\ud800"])
@pytest.mark.parametrize("prompt", ["", "Why?", "?"])
def test_any_text_has_finite_features(prompt, text):
    assert all(math.isfinite(value) for value in found(prompt, text).values())
    places, counts = word_counts(Text(text), 64)
    assert len(places) == len(counts)
    assert np.isfinite(counts).all()


def test_words_and_pairs_are_counted_by_bucket():
    places, counts = word_counts(Text("Good good, good"), 1 << 20)
    # "good" thrice, and once each ",", "good good", "good ,", ", good".
    assert sorted(counts.tolist()) == pytest.approx([1, 1, 1, 1, 1 + math.log(3)])
    again, _ = word_counts(Text("good"), 1 << 20)
    assert set(again) < set(places)


def test_words_in_one_bucket_are_counted_together():
    places, counts = word_counts(Text("one two three"), 1)
    assert places.tolist() == [0]
    assert counts.tolist() == pytest.approx([1 + math.log(5)])
