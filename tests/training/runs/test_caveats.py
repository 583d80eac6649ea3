"""What a reader must know first: too few prompts, no better than a baseline, rankings left out."""

from dataclasses import asdict

import pytest

from training.data.dataset import Counts
from training.evaluation.caveats import sentences
from training.runs.caveats import caveats, left_out


def metrics_of(prompts=20, gain=0.1, low=0.05, counts=None):
    """Return the metrics of a run with one baseline, and with these counts of its dataset."""
    figures = {"accuracy": 0.6, "accuracy_low": 0.5, "accuracy_high": 0.7}
    beside = {"accuracy": 0.6 - gain, "gain": gain, "gain_low": low, "gain_high": 0.2}
    found = Counts(rankings=100, chosen=98, duplicates=2, **(counts or {}))
    return {
        "held_out": {"prompts": prompts, **figures, "baselines": {"longer_wins": beside}},
        "left_out": left_out(asdict(found)),
    }


def names(metrics):
    return [caveat.name for caveat in caveats(metrics)]


def test_a_run_that_is_better_than_its_baselines_has_no_caveat():
    assert names(metrics_of()) == []


@pytest.mark.parametrize(
    ("prompts", "expected"), [(1, ["few_prompts"]), (4, ["few_prompts"]), (5, [])]
)
def test_fewer_than_five_prompts_are_no_measurement(prompts, expected):
    assert names(metrics_of(prompts, low=None)) == expected


def test_a_pretrained_model_needs_twenty_steps():
    assert names(metrics_of() | {"pretrained": True, "steps": 20}) == []
    assert names(metrics_of() | {"pretrained": False, "steps": 19}) == []
    few = metrics_of() | {"pretrained": True, "steps": 1}
    assert names(few) == ["few_steps"]
    [sentence] = sentences(caveats(few))
    assert sentence == (
        "The run has only 1 optimiser step, and a pretrained model learns little in fewer than 20:"
        " raise --epochs, or lower --rankings-per-step."
    )


@pytest.mark.parametrize(
    ("gain", "low", "expected"),
    [(-0.1, -0.2, "not_better"), (0.0, None, "not_better"), (0.1, -0.05, "not_measurably_better")],
)
def test_a_run_that_is_not_better_says_so_with_its_numbers(gain, low, expected):
    metrics = metrics_of(gain=gain, low=low)
    assert names(metrics) == [expected]
    (sentence,) = sentences(caveats(metrics))
    assert "better than always preferring the longer response" in sentence
    assert "60.0% (50.0% to 70.0%)" in sentence
    assert f"{100 * gain:+.1f} points" in sentence
    assert (low is None) == ("points (" not in sentence)


def test_too_few_prompts_are_said_before_the_numbers():
    assert names(metrics_of(1, gain=-0.1, low=None)) == ["few_prompts", "not_better"]


def test_five_in_a_hundred_rankings_may_be_left_out_without_a_warning():
    assert names(metrics_of(counts={"all_tied": 3})) == []
    assert names(metrics_of(counts={"all_tied": 4})) == ["left_out"]


def test_what_is_left_out_is_said_with_its_reasons_and_the_templates_own():
    counts = {
        "all_tied": 1,
        "dropped_prompts": 4,
        "dropped_rankings": 6,
        "refusals": {"Roles <b>must</b> alternate": 4},
    }
    (sentence,) = sentences(caveats(metrics_of(counts=counts)), str.upper)
    assert sentence == (
        "9 of 100 rankings (9.0%) were left out: 6 because the chat template refuses their"
        ' prompts ("ROLES <B>MUST</B> ALTERNATE"), 1 because they tie everything,'
        " 2 because they were given twice."
    )


def test_a_few_refused_prompts_are_said_too():
    counts = {"dropped_prompts": 1, "dropped_rankings": 1, "refusals": {"No system role": 1}}
    (sentence,) = sentences(caveats(metrics_of(counts=counts)))
    assert sentence == (
        "1 prompt with 1 ranking was left out, because the chat template refuses it:"
        ' "No system role".'
    )


def test_comparisons_that_the_cut_made_equal_say_what_to_do():
    counts = {"cut_equal_comparisons": 12, "cut_equal_rankings": 1}
    (sentence,) = sentences(caveats(metrics_of(counts=counts)))
    assert sentence == (
        "12 comparisons were left out, with 1 whole ranking: their responses are equal after the"
        " cut. Raise --max-response-tokens."
    )


def test_metrics_of_earlier_versions_are_read():
    assert names({}) == []
    assert names({"held_out": {"prompts": 2, "accuracy": 1.0}}) == ["few_prompts"]
