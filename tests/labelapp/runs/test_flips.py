"""Pairs that two runs order differently, against a count by hand."""

import random
from collections import Counter
from typing import Any

import pytest

from labelapp.models import (
    Member,
    Origin,
    Prompt,
    Score,
    TrainingRun,
)
from labelapp.runs.comparison.flips import Flip, counts, find_flips, show
from labelapp.runs.pairs import sample_held_out
from labelapp.runs.scores import training_ranking
from tests.labelapp.runs.conftest import AddScored
from training.aggregation import choose
from training.rankings import UNRANKED, comparisons

pytestmark = pytest.mark.django_db


def flips_of(first: TrainingRun, second: TrainingRun) -> list[Flip]:
    """Return the flips among all prompts that both runs held out."""
    return find_flips(first, second, sample_held_out(first, second, most=99).prompts)


def by_hand(prompt: Prompt, first: list[float], second: list[float], aggregation: Any) -> Counter:
    """(kind, comparisons) of a prompt, from the rankings that training would take."""
    places = {
        pk: n for n, pk in enumerate(prompt.responses.order_by("pk").values_list("pk", flat=True))
    }
    rankings = [
        training_ranking(ranking.ranks(), ranking.origin)
        for ranking in prompt.rankings.filter(is_current=True).order_by("pk")
    ]
    votes: Counter = Counter()
    for ranking in choose(rankings, aggregation):
        for pair in comparisons(ranking.ranks):
            votes[
                places[ranking.responses[pair.better]], places[ranking.responses[pair.worse]]
            ] += 1
    found: Counter = Counter()
    for low in range(len(first)):
        for high in range(low + 1, len(first)):
            better, worse = (low, high) if votes[low, high] >= votes[high, low] else (high, low)
            if not votes[better, worse]:
                continue
            right = [rewards[better] > rewards[worse] for rewards in (first, second)]
            signs = [(r[better] > r[worse]) - (r[better] < r[worse]) for r in (first, second)]
            if votes[better, worse] == votes[worse, better]:
                found["split"] += signs[0] != signs[1]
            elif right[0] != right[1]:
                found["gained" if right[1] else "lost"] += 1
    return found


@pytest.mark.parametrize("aggregation", ["all", "adjudicated"])
def test_the_counts_are_those_of_a_count_by_hand(
    aggregation: str, scored: AddScored, manager: Member, add_prompt: Any, add_ranking: Any
) -> None:
    """With ties, unranked responses, equal rewards, and an adjudicated ranking here and there."""
    dice = random.Random(5)
    people = [Member.objects.create(project=manager.project, name=n) for n in ("a", "b", "c", "d")]
    rewards: list[dict[Prompt, list[float]]] = [{}, {}]
    expected: Counter = Counter()
    for number in range(30):
        prompt = add_prompt(f"Prompt {number}?")
        for person in people[: dice.randint(1, 4)]:
            ranks = [dice.choice([1, 2, 3, UNRANKED]) for _ in range(4)]
            add_ranking(prompt, person, ranks)
        if number % 3 == 0:
            add_ranking(prompt, manager, dice.sample([1, 2, 3, 4], 4), origin=Origin.ADJUDICATED)
        for of_run in rewards:
            of_run[prompt] = [dice.choice([-1.0, 0.0, 0.5, 1.0]) for _ in range(4)]
        expected += by_hand(prompt, rewards[0][prompt], rewards[1][prompt], aggregation)
    first, second = (scored(of_run, aggregation=aggregation) for of_run in rewards)
    found = flips_of(first, second)
    assert all(expected[kind] for kind in ("gained", "lost", "split"))
    assert counts(found) == {kind: expected[kind] for kind in ("gained", "lost", "split")}
    swapped = counts(flips_of(second, first))
    assert (swapped["gained"], swapped["lost"]) == (expected["lost"], expected["gained"])
    assert counts(flips_of(first, first)) == {"gained": 0, "lost": 0, "split": 0}


def test_the_majority_leaves_out_the_adjudicated_ranking(
    scored: AddScored, manager: Member, labeller: Member, add_prompt: Any, add_ranking: Any
) -> None:
    prompt = add_prompt(responses=["One", "Two"])
    add_ranking(prompt, labeller, [1, 2])
    add_ranking(prompt, manager, [2, 1], origin=Origin.ADJUDICATED)
    rewards = ({prompt: [0.0, 1.0]}, {prompt: [1.0, 0.0]})
    first, second = (scored(of_run, aggregation="majority") for of_run in rewards)
    [flip] = flips_of(first, second)
    assert (flip.kind, flip.votes, flip.against) == ("gained", 1, 0)
    first, second = (scored(of_run, aggregation="all") for of_run in rewards)
    assert [flip.kind for flip in flips_of(first, second)] == ["split"]


def test_prompts_that_a_run_was_trained_on_are_left_out(
    scored: AddScored, labeller: Member, add_prompt: Any, add_ranking: Any
) -> None:
    prompts = [add_prompt(f"Prompt {n}?", responses=["One", "Two"]) for n in range(3)]
    for prompt in prompts:
        add_ranking(prompt, labeller, [1, 2])
    first = scored({prompt: [0.0, 1.0] for prompt in prompts}, trained_on={prompts[0]})
    second = scored({prompt: [1.0, 0.0] for prompt in prompts}, trained_on={prompts[1]})
    assert [flip.prompt for flip in flips_of(first, second)] == [prompts[2].pk]


def test_a_pair_is_shown_with_ranks_and_rewards(
    scored: AddScored, labeller: Member, add_prompt: Any, add_ranking: Any
) -> None:
    prompt = add_prompt(responses=["Good", "Bad", "Unranked"])
    add_ranking(prompt, labeller, [1, 2, UNRANKED])
    first, second = scored({prompt: [0.1, 0.4, -1]}), scored({prompt: [2.5, 2.25, 0]})
    first.metrics, second.metrics = {}, {"held_out": {"reward_mean": 2.0, "reward_std": 2.0}}
    [shown] = show(flips_of(first, second), first, second)
    assert [side.excerpt for side in shown.sides] == ["Good", "Bad"]
    assert [[(r.name, r.rank) for r in side.ranks] for side in shown.sides] == [
        [("labeller", 1)],
        [("labeller", 2)],
    ]
    assert shown.rows == [(first, 0.1, 0.4, False, True), (second, 0.5, 0.25, True, False)]
    prompt.responses.all()  # what has been deleted since is not shown
    Score.objects.all().delete()
    prompt.rankings.all().delete()
    prompt.responses.all().delete()
    assert show([shown.flip], first, second) == []
