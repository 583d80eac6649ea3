"""The accuracy by source, against a count by hand."""

import random
from itertools import permutations
from typing import Any

import pytest

from labelapp.models import Member, Project, PromptAgreement
from labelapp.runs.source_accuracy import accuracy_by_source
from tests.labelapp.runs.conftest import AddScored

pytestmark = pytest.mark.django_db


def test_each_comparison_counts_for_the_sources_of_both_responses(
    project: Project, add_prompt: Any, add_ranking: Any, scored: AddScored
) -> None:
    dice = random.Random(7)
    members = [Member.objects.create(project=project, name=name) for name in ("ann", "bob")]
    prompts = [add_prompt(f"Question {number}?") for number in range(20)]
    for prompt in prompts:
        for response in prompt.responses.all():
            response.source = dice.choice(["gpt", "llama", ""])
            response.save()
        for member in members:
            add_ranking(prompt, member, dice.choice([[1, 2, 2, 3], [4, 3, 2, 1]]))
    rewards = {prompt: [float(dice.randint(0, 3)) for _ in range(4)] for prompt in prompts}
    run = scored(rewards, trained_on={prompts[0]})
    first, second = prompts[1].responses.order_by("pk")[:2]
    run.scores.filter(response=second).update(same_as=first.pk)
    PromptAgreement.objects.update(comparisons=6)
    expected: dict[str, list[float]] = {}
    for prompt in prompts[1:]:
        responses = list(prompt.responses.order_by("pk"))
        reward = dict(zip((one.pk for one in responses), rewards[prompt], strict=True))
        for ranking in prompt.rankings.all():
            ranks = ranking.ranks()
            for better, worse in permutations(responses, 2):
                if {better, worse} == {first, second}:
                    continue
                if ranks[better.pk] < ranks[worse.pk]:
                    lead = reward[better.pk] - reward[worse.pk]
                    for source in {better.source, worse.source}:
                        expected.setdefault(source, []).append((lead > 0) + 0.5 * (lead == 0))
    found = accuracy_by_source(run)
    assert [each["source"] for each in found] == sorted(expected)
    for each in found:
        right = expected[each["source"]]
        assert each["comparisons"] == len(right)
        assert each["accuracy"] == pytest.approx(sum(right) / len(right))
        assert each["accuracy_low"] <= each["accuracy"] <= each["accuracy_high"]
    run.config |= {"labellers": "ann", "sources": "gpt"}
    [only] = accuracy_by_source(run)
    alone = [
        (one, other)
        for prompt in prompts[1:]
        for one, other in permutations(prompt.rankings.get(member=members[0]).placements.all(), 2)
        if one.rank < other.rank and {one.response.source, other.response.source} == {"gpt"}
        if {one.response_id, other.response_id} != {first.pk, second.pk}
    ]
    assert (only["source"], only["comparisons"]) == ("gpt", len(alone))
