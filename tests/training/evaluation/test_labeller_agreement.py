"""How often labellers agree with each other."""

import numpy as np
import pytest

from tests.training.tiny import tiny_dataset
from training.data.source import Prompt, Response
from training.evaluation.labeller_agreement import agree_on_prompt, labellers_agree
from training.rankings import Ranking


def agree(labellers, *rankings):
    """Rankings are {place: rank}."""
    places = [np.array(list(ranking), np.int32) for ranking in rankings]
    ranks = [np.array(list(ranking.values()), np.int32) for ranking in rankings]
    return agree_on_prompt(np.array(labellers, np.int32), places, ranks)


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        ({0: 1, 1: 2, 2: 3}, (3, 3)),
        ({2: 3, 0: 1, 1: 2}, (3, 3)),  # the order in which they are listed says nothing
        ({0: 2, 1: 1, 2: 3}, (2, 3)),
        ({0: 3, 1: 2, 2: 1}, (0, 3)),
        ({0: 1, 1: 1, 2: 2}, (2, 2)),  # a tie is no preference
        ({1: 2, 3: 1}, (0, 0)),  # no two responses that both ranked
        ({0: 2, 2: 1, 3: 3}, (0, 1)),
    ],
)
def test_pairs_that_both_ranked_apart(second, expected):
    assert agree([0, 1], {0: 1, 1: 2, 2: 3}, second) == expected


def test_nobody_agrees_with_themselves():
    same = {0: 1, 1: 2}
    assert agree([0, 0, 1], same, same, {0: 2, 1: 1}) == (0, 2)


def line(prompt, labeller, *order):
    responses = [{"id": name, "text": f"{name} {prompt}"} for name in "abc"]
    return {
        "prompt": prompt,
        "responses": responses,
        "ranking": [[name] for name in order],
        "labeller": labeller,
    }


def test_over_all_prompts_and_held_out_ones(tmp_path):
    lines = []
    for number in range(20):
        second = "bac" if number % 2 else "abc"  # two of three pairs, or all
        prompt = f"Prompt {number}"
        lines += [line(prompt, "ann", *"abc"), line(prompt, "bob", *second)]
    lines += [line("Lonely", "ann", *"abc"), line("Nameless", None, *"abc")]
    lines += [line("Nameless", "bob", *"cba")]
    dataset = tiny_dataset(tmp_path, lines, held_out_fraction=0.4)
    found = labellers_agree(dataset)
    assert found["all"]["prompts"] == 20
    assert found["all"]["pairs"] == 60
    assert found["all"]["agreement"] == pytest.approx(50 / 60)
    assert found["all"]["agreement_low"] < 50 / 60 < found["all"]["agreement_high"]
    held_out = {prompt.messages[0]["content"] for prompt in dataset.held_out_prompts()} - {
        "Lonely",
        "Nameless",
    }
    odd = sum(int(text.split()[1]) % 2 for text in held_out)
    assert found["held_out"]["pairs"] == 3 * len(held_out)
    assert found["held_out"]["agreement"] == pytest.approx(1 - odd / (3 * len(held_out)))


def test_labellers_on_both_sides_meet_on_a_prompt(tmp_path):
    lines = [line(f"{n}?", name, *"abc") for n in range(3) for name in ("ann", "bob")]
    dataset = tiny_dataset(tmp_path, lines, held_out_by="labeller")
    assert labellers_agree(dataset)["held_out"]["pairs"] == 9


def test_one_labeller_has_nobody_to_agree_with(tmp_path):
    dataset = tiny_dataset(tmp_path, [line(f"{n}?", "ann", *"abc") for n in range(3)])
    assert labellers_agree(dataset)["all"] == {
        "prompts": 0,
        "pairs": 0,
        "agreement": None,
        "agreement_low": None,
        "agreement_high": None,
    }


class Adjudicated:
    """Three prompts that Ann and Bob order alike, and Ann, who saw both, the other way round."""

    name = "adjudicated"

    def prompts(self, tick):
        verdicts = ((1, 2), "ann", "own"), ((1, 2), "bob", "own"), ((2, 1), "ann", "adjudicated")
        for n in range(3):
            responses = (Response(1, f"yes {n}"), Response(2, f"no {n}"))
            rankings = tuple(Ranking((1, 2), *verdict) for verdict in verdicts)
            yield Prompt(n, f"{n:064}", [{"role": "user", "content": f"{n}?"}], responses, rankings)


def test_who_saw_what_the_others_say_does_not_count_as_one_of_them(tmp_path):
    dataset = tiny_dataset(tmp_path, source=Adjudicated())
    found = labellers_agree(dataset)["all"]
    assert (found["agreement"], found["pairs"]) == (1, 3)
    assert dataset.rankings_by_labeller() == ([6, 3], 0)


def test_a_majority_is_nobody_to_agree_with(tmp_path):
    dataset = tiny_dataset(tmp_path, source=Adjudicated(), aggregation="majority")
    assert labellers_agree(dataset)["all"]["pairs"] == 0
