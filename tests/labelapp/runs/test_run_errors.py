"""The held-out pairs that a model gets most wrong, against a count by hand."""

import random
from itertools import permutations
from typing import Any

import pytest
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext

from labelapp.models import Member, Project, Prompt, PromptAgreement, Score, TrainingRun
from labelapp.runs.one_run import run_errors
from labelapp.runs.one_run.run_errors import Error, errors
from tests.conftest import sign_in
from tests.labelapp.runs.conftest import AddScored
from training.rankings import UNRANKED

pytestmark = pytest.mark.django_db


def by_hand(prompts: list[Prompt], rewards: dict[Prompt, list[float]]) -> set[tuple[Any, ...]]:
    """(prompt, better, worse, votes, against) of the pairs that the rewards order otherwise."""
    found = set()
    for prompt in prompts:
        keys = list(prompt.responses.order_by("pk").values_list("pk", flat=True))
        reward = dict(zip(keys, rewards[prompt], strict=True))
        given = [ranking.ranks() for ranking in prompt.rankings.filter(is_current=True)]
        for better, worse in permutations(keys, 2):
            known = [ranks for ranks in given if {better, worse} <= ranks.keys()]
            votes = sum(ranks[better] < ranks[worse] for ranks in known)
            against = sum(ranks[better] > ranks[worse] for ranks in known)
            if votes > against and reward[better] < reward[worse]:
                found.add((prompt.pk, better, worse, votes, against))
    return found


def test_the_errors_are_those_of_a_count_by_hand(
    project: Project,
    add_prompt: Any,
    add_ranking: Any,
    scored: AddScored,
) -> None:
    dice = random.Random(4)
    members = [Member.objects.create(project=project, name=name) for name in ("ann", "bob", "cat")]
    prompts = [add_prompt(f"Question {number}?") for number in range(8)]
    for prompt in prompts:
        for member in members:
            add_ranking(
                prompt,
                member,
                dice.choice([[1, 2, 2, 3], [4, 3, 2, 1], [1, 2, UNRANKED, UNRANKED]]),
            )
    rewards = {prompt: [dice.gauss(0, 2) for _ in range(4)] for prompt in prompts}
    run = scored(rewards, trained_on=set(prompts[:2]))
    PromptAgreement.objects.update(against=1, comparisons=6)
    found = errors(run).worst
    assert {error[:5] for error in found} == by_hand(prompts[2:], rewards)
    margins = [error.margin for error in found]
    assert margins == sorted(margins, reverse=True)
    assert min(margins) > 0


@pytest.fixture
def wrong(
    project: Project, add_prompt: Any, add_ranking: Any, labeller: Member, scored: AddScored
) -> TrainingRun:
    """A run that orders every pair of twelve prompts the wrong way round."""
    prompts = [add_prompt(f"Why {number}?", ["Good " * 80, "<b>Bad</b>"]) for number in range(12)]
    for prompt in prompts:
        add_ranking(prompt, labeller, [1, 2])
    run = scored({prompt: [0.0, 1.0 + number] for number, prompt in enumerate(prompts)})
    PromptAgreement.objects.update(against=1, comparisons=1)
    return run


def test_the_page_shows_both_texts_ranks_and_rewards(wrong: TrainingRun, manager: Member) -> None:
    client = sign_in(manager)
    url = f"/projects/kitchen/runs/{wrong.pk}/errors/"
    page = client.get(url).content.decode()
    worst: Error = errors(wrong).worst[0]
    assert "12 pairs of responses" in page
    assert page.count("<article") == 10
    assert f'href="/projects/kitchen/reviewing/{worst.prompt}/?run={wrong.pk}"' in page
    assert page.index("by 12.000") < page.index("by 11.000")
    assert "&lt;b&gt;Bad&lt;/b&gt;" in page
    assert "<b>Bad" not in page
    assert "Good " * 79 in page  # the whole text, folded
    assert client.get(f"{url}?page=2").content.decode().count("<article") == 2


def test_of_very_many_errors_the_first_are_listed(
    wrong: TrainingRun, manager: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, url = sign_in(manager), f"/projects/kitchen/runs/{wrong.pk}/errors/"
    assert "are listed" not in client.get(url).content.decode()
    monkeypatch.setattr(run_errors, "MOST_LISTED", 3)
    page = client.get(url).content.decode()
    assert "12 pairs of responses" in page
    assert "The first 3 are listed." in page
    assert page.count("<article") == 3


def test_of_very_many_prompts_some_are_drawn(
    wrong: TrainingRun, manager: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, url = sign_in(manager), f"/projects/kitchen/runs/{wrong.pk}/errors/"
    assert "drawn at random" not in client.get(url).content.decode()
    monkeypatch.setattr(run_errors, "MOST_PROMPTS", 5)
    page = client.get(url).content.decode()
    assert "Of the 12 held-out prompts, 5 were drawn at random." in page
    assert f"/reviewing/?run={wrong.pk}&amp;held_out=1&amp;sort=margin" in page
    assert "5 pairs of responses" in page
    assert page.count("<article") == 5


def test_a_page_of_errors_takes_as_many_queries_as_one_error(
    wrong: TrainingRun, manager: Member
) -> None:
    client = sign_in(manager)
    url = f"/projects/kitchen/runs/{wrong.pk}/errors/"
    client.get(url)
    with CaptureQueriesContext(connection) as many:
        client.get(url)
    PromptAgreement.objects.filter(prompt__lt=errors(wrong).worst[0].prompt).delete()
    with CaptureQueriesContext(connection) as one:
        assert client.get(url).content.decode().count("<article") == 1
    assert len(many) == len(one)


def test_a_model_without_errors_says_so(wrong: TrainingRun, manager: Member) -> None:
    Score.objects.update(reward=-F("reward"))
    page = sign_in(manager).get(f"/projects/kitchen/runs/{wrong.pk}/errors/").content.decode()
    assert "orders every pair" in page
