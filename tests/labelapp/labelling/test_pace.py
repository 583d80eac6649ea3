"""The pace on a labeller's page: today's rankings, the daily target, and the minutes of each."""

import pytest

from labelapp.labelling import assignments
from labelapp.labelling.pace import pace
from labelapp.labelling.ranking_input import RankingInput
from labelapp.models import Assignment, Member, Project
from tests.conftest import AddPrompt, sign_in
from tests.labelapp.labelling.acting import submit

URL = "/projects/kitchen/labelling/"


@pytest.fixture
def three_ranked(labeller: Member, add_prompt: AddPrompt) -> Member:
    """A labeller who has ranked three prompts, and has another."""
    for number in range(4):
        add_prompt(f"Question {number}")
    for seconds in (60, 230, 4000):
        assignment = assignments.current_assignment(labeller)
        assert assignment is not None
        submit(assignment=assignment, entered=RankingInput({"A": 1, "B": 2, "C": 3, "D": 4}))
        Assignment.objects.filter(pk=assignment.pk).update(seconds=seconds)
    return labeller


def test_the_pace_is_shown_if_the_project_says_so(three_ranked: Member, project: Project) -> None:
    client = sign_in(three_ranked)
    shown = client.get(URL).content.decode()
    assert "3 today" in shown
    assert "min each" not in shown
    Project.objects.update(show_pace=True)
    shown = client.get(URL).content.decode()
    assert "3 today" in shown
    assert "about 4 min each" in shown  # the median: one long break changes nothing
    Project.objects.update(daily_target=20)
    assert "3 of 20 today" in client.get(URL).content.decode()


def test_without_rankings_there_is_no_pace(labeller: Member) -> None:
    labeller.project.show_pace = True
    assert pace(labeller) is None
