"""Helpers of the tests of prompts: the state of the queue and of the lists."""

from typing import Any

from labelapp.labelling import assignments
from labelapp.labelling.ranking_input import RankingInput
from labelapp.models import (
    Assignment,
    Member,
    Project,
    Prompt,
    Ranking,
)
from labelapp.projects import prompts
from labelapp.projects.prompt_filters import PromptFilter
from tests.labelapp.labelling.acting import submit

URL = "/projects/kitchen/prompts/"
ABCD = dict(zip("ABCD", range(1, 5), strict=True))


def task(member: Member) -> Assignment:
    assignment = assignments.current_assignment(
        Member.objects.select_related("project").get(pk=member.pk)
    )
    assert assignment is not None
    return assignment


def rank(member: Member) -> Ranking:
    return submit(assignment=task(member), entered=RankingInput(ABCD))


def listed(project: Project, **asked: str) -> list[str]:
    page = prompts.page(project=project, chosen=PromptFilter.of(asked))
    return [str(row.prompt) for row in page.rows]


def only(prompt: Prompt) -> Any:
    return Prompt.objects.filter(pk=prompt.pk)


def slots(prompt: Prompt) -> tuple[int, int, bool]:
    """(wanted, needed, came back)"""
    prompt.refresh_from_db()
    return prompt.rankings_wanted, prompt.rankings_needed, prompt.came_back
