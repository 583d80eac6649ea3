"""The command palette: what it finds for whom, and only what they may open."""

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from labelapp.models import Member, Project, Role, TrainingRun, User
from tests.conftest import AddPrompt, join, sign_in

URL = "/projects/kitchen/find/"


def found(person: Member | User, search: str, **headers: str) -> dict[str, list[str]]:
    """Return the entries that are found, by section."""
    html = sign_in(person).get(f"{URL}found/", {"q": search}, **headers).content.decode()
    sections = re.findall(r'aria-label="([^"]+)">(.*?)</div>', html, re.S)
    return {title: re.findall(r"<bdi>([^<]*)</bdi>", part) for title, part in sections}


@pytest.fixture
def filled(project: Project, add_prompt: AddPrompt) -> Project:
    add_prompt("Why is the sky blue?")
    add_prompt("How tall is a giraffe?")
    TrainingRun.objects.create(
        project=project, state="done", finished_at=timezone.now(), name="Blue whale", tags="best"
    )
    other = Project.objects.create(name="Blue kitchen", slug="blue")
    other.prompts.create(messages=[{"role": "user", "content": "blue?"}], content_hash="x")
    join(project, "blueberry", Role.LABELLER)
    return project


def test_a_manager_finds_prompts_runs_people_and_pages(filled: Project, manager: Member) -> None:
    assert found(manager, "blue") == {
        "Prompts": ["Why is the sky blue?"],
        "Runs": ["Blue whale"],
        "People": ["blueberry"],
    }
    assert found(manager, "PROGR") == {"Pages": ["Progress"]}
    assert found(manager, "quality") == {"Pages": ["Progress", "Agreement", "Disagreements"]}
    assert found(manager, "best") == {"Runs": ["Blue whale"]}
    assert found(manager, "sky is") == {}  # texts are searched as they are written


def test_everybody_finds_only_what_they_may_open(
    filled: Project, reviewer: Member, labeller: Member, outsider: User
) -> None:
    assert found(reviewer, "blue").keys() == {"Prompts", "Runs", "People"}
    assert found(labeller, "blue") == {}
    assert found(labeller, "") == {"Pages": ["Overview", "Rank", "My work", "Your account"]}
    assert "Settings" not in found(reviewer, "")["Pages"]
    assert sign_in(outsider).get(URL).status_code == 404
    assert sign_in(outsider).get(f"{URL}found/").status_code == 404


def test_other_projects_are_found_if_they_are_ones_own(
    filled: Project, manager: Member, root: User
) -> None:
    assert "Other projects" not in found(manager, "blue")
    assert found(root, "blue")["Other projects"] == ["Blue kitchen"]
    other = Project.objects.get(slug="blue")
    Member.objects.create(project=other, user=manager.user, name="manager")
    assert found(manager, "blue")["Other projects"] == ["Blue kitchen"]


def test_a_run_is_found_by_its_number(project: Project, manager: Member) -> None:
    runs = [
        TrainingRun.objects.create(project=project, state="done", finished_at=timezone.now())
        for _ in range(2)
    ]
    assert found(manager, f"run {runs[0].pk}")["Runs"] == [runs[0].title]
    assert found(manager, "run")["Runs"] == [run.title for run in reversed(runs)]
    assert found(manager, "9" * 30) == {}


def test_what_is_found_leads_to_pages_that_open(
    filled: Project, manager: Member, reviewer: Member, labeller: Member
) -> None:
    for person in (manager, reviewer, labeller):
        client = sign_in(person)
        for search in ("", "blue"):
            html = client.get(f"{URL}found/", {"q": search}).content.decode()
            for link in re.findall(r'href="([^"#]+)', html):
                assert client.get(link).status_code == 200, link


def test_it_is_a_page_without_scripts(filled: Project, manager: Member) -> None:
    html = sign_in(manager).get(URL, {"q": "sky"}).content.decode()
    assert "Why is the sky blue?" in html
    assert 'role="option"' not in html


def test_it_speaks_the_language_of_the_page_around_it(project: Project, manager: Member) -> None:
    german = {"HTTP_ACCEPT_LANGUAGE": "de"}
    client = sign_in(manager)
    assert "Übersicht" in client.get(f"{URL}found/?translated", **german).content.decode()
    assert "Overview" in client.get(f"{URL}found/", **german).content.decode()


def test_strange_searches_find_nothing(filled: Project, manager: Member) -> None:
    for search in ("\0", "%", "_", "'; --", "x" * 5000):
        assert "Prompts" not in found(manager, search)


def test_more_to_find_takes_no_more_queries(
    filled: Project, add_prompt: AddPrompt, manager: Member
) -> None:
    client = sign_in(manager)

    def queries() -> int:
        with CaptureQueriesContext(connection) as made:
            client.get(f"{URL}found/", {"q": "blue"})
        return len(made)

    few = queries()
    for number in range(9):
        add_prompt(f"blue {number}?")
        join(filled, f"blue {number}", Role.LABELLER)
        TrainingRun.objects.create(
            project=filled, state="done", finished_at=timezone.now(), name=f"blue {number}"
        )
    assert queries() == few <= 8
    assert {len(entries) for entries in found(manager, "blue").values()} == {6}
