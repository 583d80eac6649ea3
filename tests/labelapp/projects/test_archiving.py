"""Archived projects: out of the lists, read-only, and back in one click."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django.fixtures import Settings

from labelapp.labelling import assignments
from labelapp.models import Invitation, Member, Project, Ranking, Role, User
from labelapp.projects import archiving, invitations, overview
from labelapp.runs.lifecycle import reason_not_to_start
from labelapp.urls import urlpatterns
from tests.conftest import AddPrompt, sign_in

URL = "/projects/kitchen/"
REFUSED = "This project is archived and cannot be changed."
OPEN_TO_ARCHIVED = {
    "project_restore",
    "project_duplicate",
    "project_delete",
    "project_settings_preview",
    "person_remove",
    "export",
    "export_stop",
    "export_remove",
    "token_revoke",
    "run_stop",
    "grid_stop",
}


def text(person: Member | User, url: str) -> str:
    return sign_in(person).get(url, follow=True).content.decode()


@pytest.fixture
def archived(project: Project, manager: Member) -> Project:
    assert sign_in(manager).post(f"{URL}archive/")["Location"] == URL
    project.refresh_from_db()
    assert project.is_archived
    return project


def test_an_archived_project_is_folded_away_and_comes_back_in_one_click(
    archived: Project, manager: Member, labeller: Member
) -> None:
    for person, may in ((manager, True), (labeller, False)):
        front = text(person, "/")
        assert "1 archived project" in front
        assert (f'action="{URL}restore/"' in front) == may
        assert "archived on" in text(person, URL)
        assert (f'action="{URL}restore/"' in text(person, URL)) == may
    assert sign_in(manager).post(f"{URL}restore/")["Location"] == URL
    archived.refresh_from_db()
    assert not archived.is_archived
    assert "archived" not in text(manager, "/")


def test_lists_have_open_projects_only(archived: Project, manager: Member, root: User) -> None:
    Project.objects.create(name="Attic", slug="attic")
    assert manager.user is not None
    assert overview.overview(manager.user) == []
    assert [card.project.slug for card in overview.overview(root)] == ["attic"]
    assert [project.slug for project in overview.to_switch_to(root)] == ["attic"]
    assert [project.slug for project in overview.archived(root)] == ["kitchen"]
    assert "Kitchen" in text(manager, "/switch/")


def test_labellers_get_nothing_and_what_they_send_is_refused(
    project: Project, manager: Member, labeller: Member, add_prompt: AddPrompt
) -> None:
    add_prompt()
    add_prompt("Why is water wet?")
    begun = assignments.current_assignment(labeller)
    assert begun is not None
    archiving.archive(project, by="manager")
    client = sign_in(labeller)
    assert "This project is archived" in text(labeller, f"{URL}labelling/")
    assert '<form class="task"' not in text(labeller, f"{URL}labelling/")
    posted = {"assignment": begun.token, **{f"rank-{letter}": 1 for letter in "ABCD"}}
    response = client.post(f"{URL}labelling/", posted)
    assert response.status_code == 403
    assert REFUSED in response.content.decode()
    assert not Ranking.objects.exists()
    assert client.get(f"{URL}labelling/next/?beside={begun.token}").status_code == 204
    archiving.restore(project, by="manager")
    assert client.post(f"{URL}labelling/", posted).status_code == 302
    assert Ranking.objects.count() == 1


def posts() -> list[Any]:
    """Return the patterns of the pages below a project."""
    return [each for each in urlpatterns if str(each.pattern).startswith("projects/<slug:slug>/")]


@pytest.mark.parametrize("pattern", posts(), ids=lambda pattern: pattern.name)
def test_no_page_changes_an_archived_project(
    archived: Project, manager: Member, settings: Settings, pattern: Any
) -> None:
    settings.PROJECT_CREATORS = "everyone"
    names = {"slug": "kitchen", "token": "0b0c6a43-6bb8-4e0a-9d0d-6b4a1c8a9d11", "name": "x"}
    numbers = {"pk": 1, "returned": 1, "number": 1, "task": 1, "ranking": 1, "comment_pk": 1}
    numbers |= {"message": 1, "note": 1, "place": 1}
    values = {
        key: value for key, value in (names | numbers).items() if key in pattern.pattern.converters
    }
    url = reverse(pattern.name, kwargs=values)
    before = list(Project.objects.values())
    response = sign_in(manager).post(url)
    if pattern.name in OPEN_TO_ARCHIVED:
        assert response.status_code != 403
    else:
        assert response.status_code in (403, 405)
        assert response.status_code == 405 or REFUSED in response.content.decode()
        assert list(Project.objects.values()) == before


def test_nobody_joins_an_archived_project(
    archived: Project, manager: Member, outsider: User
) -> None:
    invitation = Invitation.objects.create(
        project=archived,
        created_by=manager.user,
        role=Role.LABELLER,
        expires_at=timezone.now() + timedelta(days=1),
    )
    url = reverse("join", args=[invitations.token(invitation)])
    for response in (sign_in(outsider).get(url), sign_in(outsider).post(url), Client().post(url)):
        assert response.status_code == 410
        assert "The project is archived." in response.content.decode()
    assert not archived.members.filter(user=outsider).exists()


def test_no_run_starts_and_no_command_changes_an_archived_project(archived: Project) -> None:
    assert "archived" in reason_not_to_start(archived)
    for command in (
        ["import_prompts", "prompts.jsonl"],
        ["import_rankings", "rankings.jsonl"],
        ["train_reward"],
        ["promote_model", "--reason", "Better."],
    ):
        with pytest.raises(CommandError, match="the project kitchen is archived; restore it"):
            call_command(*command, "--project", "kitchen")


def test_archiving_and_restoring_twice_is_once(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", logger="labelapp.audit"):
        assert archiving.archive(project, by="ann")
        project.refresh_from_db()
        since = project.archived_at
        assert not archiving.archive(project, by="bob")
        project.refresh_from_db()
        assert project.archived_at == since
        assert archiving.restore(project, by="ann")
        assert not archiving.restore(project, by="bob")
    assert [record.getMessage().split(" (")[0] for record in caplog.records] == [
        "ann archives the project kitchen",
        "ann restores the project kitchen",
    ]


@pytest.mark.parametrize("action", ["archive", "restore"])
def test_only_managers_archive_and_restore(
    project: Project, labeller: Member, reviewer: Member, outsider: User, action: str
) -> None:
    url = f"{URL}{action}/"
    assert Client().post(url).status_code == 302
    assert sign_in(labeller).post(url).status_code == 403
    assert sign_in(reviewer).post(url).status_code == 403
    assert sign_in(outsider).post(url).status_code == 404
    assert sign_in(reviewer).get(url).status_code == 405
    project.refresh_from_db()
    assert not project.is_archived
