"""A new number of rankings per prompt: saving asks about the prompts that are here."""

import re

import pytest

from labelapp.labelling.assignments import current_assignment
from labelapp.models import Member, Project, Prompt
from tests.conftest import AddPrompt, sign_in
from tests.labelapp.projects.test_project_settings import SETTINGS, URL

POSTED = {key: value for key, value in SETTINGS.items() if key != "paused"}


@pytest.fixture
def prompts(add_prompt: AddPrompt) -> list[Prompt]:
    """Two prompts that are queued, one that was removed, and one that came ranked."""
    removed = add_prompt("Removed", wanted=1, taken_out=True)
    Prompt.objects.update(rankings_needed=0)
    return [add_prompt("One"), add_prompt("Two"), removed, add_prompt("Imported", wanted=0)]


def wanted() -> list[int]:
    return list(Prompt.objects.order_by("pk").values_list("rankings_wanted", flat=True))[1:3]


def test_saving_asks_and_stores_nothing_yet(
    project: Project, manager: Member, prompts: list[Prompt]
) -> None:
    response = sign_in(manager).post(URL, POSTED)
    html = response.content.decode()
    assert response.status_code == 200
    assert "Also for the 2 prompts that are here?" in html
    assert "from 1 to 3" in re.sub(r"\s+", " ", html)
    assert 'name="rankings_per_prompt" value="3"' in html
    project.refresh_from_db()
    assert project.rankings_per_prompt == 1


def test_yes_changes_the_prompts_and_no_leaves_them(
    project: Project, manager: Member, labeller: Member, prompts: list[Prompt]
) -> None:
    client = sign_in(manager)
    response = client.post(URL, POSTED | {"present": "no"}, follow=True)
    assert "The settings are saved." in response.content.decode()
    project.refresh_from_db()
    assert (project.rankings_per_prompt, wanted()) == (3, [1, 1])
    assert current_assignment(labeller) is not None  # of which the slot stays taken
    posted = POSTED | {"rankings_per_prompt": "2", "present": "yes"}
    response = client.post(URL, posted, follow=True)
    assert "and 2 prompts are changed." in response.content.decode()
    assert wanted() == [2, 2]
    assert sorted(Prompt.objects.values_list("rankings_needed", flat=True)) == [0, 0, 1, 2]


def test_nothing_is_asked_where_nothing_would_change(
    project: Project, manager: Member, add_prompt: AddPrompt
) -> None:
    add_prompt("Imported", wanted=0)
    assert sign_in(manager).post(URL, POSTED).status_code == 302
    add_prompt("Queued")
    assert sign_in(manager).post(URL, POSTED | {"name": "Other"}).status_code == 302


def test_an_answer_of_another_kind_is_refused(
    project: Project, manager: Member, prompts: list[Prompt]
) -> None:
    assert sign_in(manager).post(URL, POSTED | {"present": "maybe"}).status_code == 422
    assert wanted() == [1, 1]
