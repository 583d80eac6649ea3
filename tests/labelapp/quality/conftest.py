"""Two labellers who have ranked the same prompts."""

import pytest

from labelapp.models import (
    Member,
    Project,
    Role,
)
from tests.conftest import AddPrompt, AddRanking, join


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
