"""Two labellers who have ranked the same prompts."""

import pytest

from labelapp.models import Member, Project, Prompt, Role
from tests.conftest import AddPrompt, AddRanking, join
from tests.labelapp.quality.disputed import record


@pytest.fixture
def bob(project: Project) -> Member:
    return join(project, "bob", Role.LABELLER)


@pytest.fixture
def ranked_twice(
    labeller: Member, bob: Member, add_prompt: AddPrompt, add_ranking: AddRanking
) -> Project:
    """Six prompts ranked by two labellers, who agree on 4 of 5 comparisons."""
    for number in range(6):
        prompt = add_prompt(f"Prompt {number}?")
        add_ranking(prompt, labeller, (1, 2, 3, 4))
        add_ranking(prompt, bob, (2, 1, 3, 3))
    return labeller.project


@pytest.fixture
def disputed(
    labeller: Member, bob: Member, add_prompt: AddPrompt, add_ranking: AddRanking
) -> list[Prompt]:
    """Three prompts ranked by two labellers, who disagree completely, slightly and not at all."""
    prompts = []
    for text, ranks in (("Whole?", (4, 3, 2, 1)), ("Little?", (2, 1, 3, 4)), ("No?", (1, 2, 3, 4))):
        prompt = add_prompt(text, wanted=2)
        add_ranking(prompt, labeller, (1, 2, 3, 4), note="The first <b>by far</b>.")
        add_ranking(prompt, bob, ranks)
        prompts.append(prompt)
    record(labeller.project)
    return prompts
