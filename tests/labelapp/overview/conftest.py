"""A project in which somebody has ranked."""

from datetime import timedelta

import pytest
from django.utils import timezone

from labelapp.labelling import assignments
from labelapp.labelling.ranking_input import RankingInput
from labelapp.models import (
    Assignment,
    Member,
    Project,
)
from tests.conftest import AddPrompt
from tests.labelapp.labelling.acting import submit


@pytest.fixture
def campaign(project: Project, add_prompt: AddPrompt, labeller: Member) -> Project:
    """Eight prompts: the labeller ranked one on each of the last four days, and two today."""
    for number in range(8):
        add_prompt(f"{number}?", wanted=2)
    for days_ago in (4, 3, 2, 1, 0, 0):
        assignment = assignments.current_assignment(labeller)
        assert assignment is not None
        submit(assignment=assignment, entered=RankingInput(dict.fromkeys("ABCD", 1)))
        at = timezone.now() - timedelta(days=days_ago)
        Assignment.objects.filter(pk=assignment.pk).update(submitted_at=at)
    return project


# What needs a decision
