"""Labellers, and the tasks that measure them."""

from collections.abc import Callable

import pytest

from labelapp.labelling import controls
from labelapp.models import Assignment, Member, Project, Prompt, Role
from tests.conftest import AddPrompt, AddRanking, join
from tests.labelapp.labelling.acting import task
from tests.labelapp.labelling.controlled import days_ago, rank, share, until


@pytest.fixture
def ann(project: Project) -> Member:
    return join(project, "ann", Role.LABELLER)


@pytest.fixture
def bob(project: Project) -> Member:
    return join(project, "bob", Role.LABELLER)


@pytest.fixture
def add_gold(
    manager: Member, add_prompt: AddPrompt, add_ranking: AddRanking
) -> Callable[..., Prompt]:
    """Adds a prompt that nobody waits for, with a gold ranking by the manager."""

    def add(text: str = "Known?", **fields: object) -> Prompt:
        prompt = add_prompt(text, wanted=0, **fields)
        controls.mark_gold(add_ranking(prompt, manager, (1, 2, 3, 4)))
        return prompt

    return add


@pytest.fixture
def gold(ann: Member, add_gold: Callable[..., Prompt], add_prompt: AddPrompt) -> Assignment:
    """A gold prompt in front of ann, while others wait."""
    add_gold()
    for i in range(40):
        add_prompt(f"{i}?")
    share(ann, gold_share=50)
    return until(ann, "gold")


@pytest.fixture
def repeat(ann: Member, add_prompt: AddPrompt) -> Assignment:
    """A prompt in front of ann that she ranked ten days ago, A best, while others wait."""
    for i in range(40):
        add_prompt(f"{i}?")
    first = task(ann)
    rank(first)
    Assignment.objects.filter(pk=first.pk).update(submitted_at=days_ago(10))
    share(ann, repeat_share=50)
    return until(ann, "repeat")


@pytest.fixture(params=["gold", "repeat"])
def control(request: pytest.FixtureRequest, project: Project) -> Assignment:
    """A gold prompt in front of ann, or one that she ranked before."""
    found: Assignment = request.getfixturevalue(request.param)
    return found
