"""A new project in steps: its name, its guidelines, a file, and people."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django.fixtures import Settings

from labelapp.models import Invitation, Member, Project, Role, User
from labelapp.projects.creation import SlugTakenError, create, create_once, free_slug
from labelapp.projects.duplication import duplicate
from labelapp.projects.guideline_templates import BY_NAME
from tests.conftest import PASSWORD, join, sign_in
from tests.labelapp.parallel import in_parallel

NAME: dict[str, Any] = {
    "name": "Café questions",
    "slug": "",
    "responses_per_ranking": "9",
    "rankings_per_prompt": "1",
    "ties_allowed": "on",
    "practice": "on",
    "lease_minutes": "60",
}
URL = "/projects/cafe-questions/"


@pytest.fixture
def client(root: User) -> Client:
    """An administrator's browser, in which a project has its name."""
    client = sign_in(root)
    client.post("/projects/new/", NAME)
    return client


def text(client: Client, url: str) -> str:
    response = client.get(url)
    assert response.status_code == 200
    return response.content.decode()


def test_a_project_goes_from_its_name_to_its_people(client: Client) -> None:
    guidelines = {"guidelines": "Prefer the shorter."}
    assert client.post(f"{URL}setup/guidelines/", guidelines)["Location"] == f"{URL}uploads/"
    assert "Skip for now" in text(client, f"{URL}uploads/")
    assert client.post(f"{URL}setup/file/")["Location"] == f"{URL}setup/people/"
    assert client.post(f"{URL}setup/finish/")["Location"] == URL
    project = Project.objects.get()
    assert (project.name, project.guidelines) == ("Café questions", "Prefer the shorter.")
    assert (project.setup_step, project.practice) == ("", True)
    assert "setup/" not in text(client, URL)
    assert 'aria-label="New project"' not in text(client, f"{URL}uploads/")


def test_the_steps_are_taken_up_where_they_were_left(client: Client) -> None:
    for url in ("/", URL):
        assert f'href="{URL}setup/"' in text(client, url)
    assert client.get(f"{URL}setup/")["Location"] == f"{URL}setup/guidelines/"
    client.post(f"{URL}setup/guidelines/", {"guidelines": "Short."})
    assert client.get(f"{URL}setup/")["Location"] == f"{URL}uploads/"
    client.post(f"{URL}setup/file/")
    assert client.get(f"{URL}setup/")["Location"] == f"{URL}setup/people/"
    client.post(f"{URL}setup/guidelines/", {"guidelines": "Shorter."})  # back, and on again
    assert client.get(f"{URL}setup/")["Location"] == f"{URL}setup/people/"


def test_going_back_to_the_name_shows_and_changes_what_was_entered(client: Client) -> None:
    shown = text(client, f"{URL}setup/name/")
    assert 'value="Café questions"' in shown
    assert 'value="cafe-questions"' in shown
    changed = NAME | {"name": "Tea", "slug": "tea", "rankings_per_prompt": "3"}
    response = client.post(f"{URL}setup/name/", changed)
    assert response["Location"] == "/projects/tea/setup/guidelines/"
    project = Project.objects.get()
    assert (project.name, project.slug, project.rankings_per_prompt) == ("Tea", "tea", 3)
    client.post("/projects/tea/setup/name/", changed | {"slug": ""})
    assert Project.objects.get().slug == "tea"


@pytest.mark.parametrize("slug", ["", "cafe"])
def test_two_clicks_create_one_project(root: User, slug: str) -> None:
    client = sign_in(root)
    answers = [client.post("/projects/new/", NAME | {"slug": slug}) for _ in range(2)]
    project = Project.objects.get()
    assert {answer["Location"] for answer in answers} == {
        f"/projects/{project.slug}/setup/guidelines/"
    }
    Project.objects.update(created_at="2026-01-01T00:00Z")
    later = client.post("/projects/new/", NAME | {"slug": slug})
    assert later.status_code == (422 if slug else 302)
    assert Project.objects.count() == (1 if slug else 2)


@pytest.mark.django_db(transaction=True)
def test_two_clicks_at_the_same_moment_create_one_project(root: User) -> None:
    def create() -> None:
        create_once(manager=root, project=Project(name="Tea"))

    assert in_parallel(create, create, create) == []
    assert Project.objects.get().slug == "tea"


def test_a_slug_that_is_taken_while_the_name_is_saved_is_named(client: Client) -> None:
    seen = {"checked": False, "taken": False}

    def take(execute: Any, sql: str, *rest: Any) -> Any:
        """Create the other project between the check of the form and the change."""
        seen["checked"] |= sql.startswith('SELECT %s AS "a" FROM "labelapp_project"')
        if sql.startswith("SAVEPOINT") and seen["checked"] and not seen["taken"]:
            seen["taken"] = True
            Project.objects.create(name="Other", slug="tea")
        return execute(sql, *rest)

    with connection.execute_wrapper(take):
        response = client.post(f"{URL}setup/name/", NAME | {"slug": "tea"})
    assert seen["taken"]
    assert response.status_code == 422
    assert "Another project has this slug" in response.content.decode()
    assert Project.objects.filter(slug="cafe-questions").exists()


@pytest.mark.parametrize(
    ("step", "posted"), [("name", NAME), ("guidelines", {"guidelines": "Short."})]
)
def test_a_step_saves_what_it_shows_and_nothing_else(
    client: Client, step: str, posted: dict[str, str]
) -> None:
    changed = []

    def change(execute: Any, sql: str, *rest: Any) -> Any:
        if sql.startswith('UPDATE "labelapp_project"') and not changed:
            changed.append(True)
            Project.objects.update(paused=True, daily_target=7, archived_at=None)
        return execute(sql, *rest)

    with connection.execute_wrapper(change):
        assert client.post(f"{URL}setup/{step}/", posted).status_code == 302
    project = Project.objects.get()
    assert (project.paused, project.daily_target) == (True, 7)


def test_an_error_under_advanced_unfolds_it(root: User) -> None:
    response = sign_in(root).post("/projects/new/", NAME | {"responses_per_ranking": "12"})
    assert response.status_code == 422
    assert '<details class="card padded advanced" open>' in response.content.decode()
    response = sign_in(root).post("/projects/new/", NAME | {"name": ""})
    assert '<details class="card padded advanced" >' in response.content.decode()


def test_a_slug_is_made_from_any_name_and_is_free(project: Project) -> None:
    assert free_slug("Kitchen") == "kitchen-2"
    assert free_slug("Größe & Maß") == "groe-ma"
    assert free_slug("厨房") == "project"
    assert free_slug("new") == "new-2"
    long = free_slug("word " * 40)
    assert len(long) <= 50
    Project.objects.create(name="Long", slug=long)
    other = free_slug("word " * 40)
    assert len(other) <= 50
    assert other.endswith("-2")
    Project.objects.create(name="Hidden", slug="kitchen-2", deleted_at="2026-01-01T00:00Z")
    assert free_slug("Kitchen") == "kitchen-3"


def test_a_template_is_begun_with_and_never_replaces_what_was_written(client: Client) -> None:
    def guidelines(template: str, written: str) -> str:
        posted = {"template": template, "guidelines": written}
        response = client.post(f"{URL}setup/guidelines/", posted)
        assert response.status_code == 200
        value = response.context["form"]["guidelines"].value()
        assert isinstance(value, str)
        return value

    code, writing = BY_NAME["code"].text, BY_NAME["writing"].text
    assert guidelines("code", "") == code
    assert guidelines("writing", code.replace("\n", "\r\n")) == writing
    assert guidelines("blank", code) == ""
    assert guidelines("code", "Ours.") == f"Ours.\n\n{code}"
    assert guidelines("blank", "Ours.") == "Ours."
    assert guidelines("unknown", "Ours.") == "Ours."
    assert Project.objects.get().guidelines == ""  # not saved before one goes on


@pytest.mark.parametrize("name", [name for name in BY_NAME if name != "blank"])
def test_every_template_can_be_saved_and_says_what_to_do(client: Client, name: str) -> None:
    template = BY_NAME[name]
    response = client.post(f"{URL}setup/guidelines/", {"guidelines": template.text})
    assert response.status_code == 302
    assert template.text.startswith("Rank the responses ")
    assert len(template.text.split()) > 120


def test_people_are_invited_with_a_link_without_leaving_the_steps(client: Client) -> None:
    posted = {"invite": "1", "role": "labeller", "people": "any", "days": "7"}
    response = client.post(f"{URL}setup/people/", posted)
    invitation = Invitation.objects.get()
    assert response["Location"] == f"{URL}setup/people/#invitation-{invitation.pk}"
    assert "/join/" in text(client, f"{URL}setup/people/")
    refused = client.post(f"{URL}setup/people/", posted | {"role": "king"})
    assert refused.status_code == 422


def test_a_manager_adds_people_of_their_own_projects_and_sees_no_others(
    project: Project, manager: Member, labeller: Member, outsider: User, settings: Settings
) -> None:
    settings.PROJECT_CREATORS = "everyone"
    attic = Project.objects.create(name="Attic", slug="attic")
    stranger = join(attic, "stranger", Role.LABELLER)
    Member.objects.create(project=attic, user=manager.user, name="manager")  # who labels there
    client = sign_in(manager)
    client.post("/projects/new/", NAME)
    shown = text(client, f"{URL}setup/people/")
    assert "labeller" in shown
    assert "stranger" not in shown
    assert "outsider" not in shown
    for user, status in ((stranger.user, 422), (outsider, 422), (labeller.user, 302)):
        posted = {"add": "1", "users": [user.pk], "added_role": "reviewer"}
        assert client.post(f"{URL}setup/people/", posted).status_code == status
    added = Project.objects.get(slug="cafe-questions").members.exclude(user=manager.user).get()
    assert (added.user, added.role) == (labeller.user, Role.REVIEWER)
    assert client.post(f"{URL}setup/people/", {"add": "1"}).status_code == 422


@pytest.mark.parametrize("page", ["setup/", "setup/name/", "setup/guidelines/", "setup/people/"])
def test_only_managers_see_the_steps(
    project: Project, labeller: Member, reviewer: Member, outsider: User, page: str
) -> None:
    url = f"/projects/kitchen/{page}"
    assert Client().get(url).status_code == 302
    assert sign_in(labeller).get(url).status_code == 403
    assert sign_in(reviewer).get(url).status_code == 403
    assert sign_in(outsider).get(url).status_code == 404


@pytest.mark.parametrize("step", ["file", "finish"])
def test_only_managers_end_a_step(project: Project, labeller: Member, step: str) -> None:
    url = f"/projects/kitchen/setup/{step}/"
    assert sign_in(labeller).post(url).status_code == 403
    assert sign_in(labeller).get(url).status_code == 405


def test_the_step_of_people_makes_the_same_queries_for_many(client: Client) -> None:
    counts = []
    for number in (1, 12):
        for index in range(number):
            User.objects.create_user(f"person-{number}-{index}", password=PASSWORD)
        with CaptureQueriesContext(connection) as queries:
            client.get(f"{URL}setup/people/")
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_a_slug_that_is_taken_after_the_form_was_checked_is_named(
    manager: Member, project: Project
) -> None:
    assert manager.user is not None
    with pytest.raises(SlugTakenError):
        create(manager=manager.user, project=Project(name="Other", slug=project.slug))
    with pytest.raises(SlugTakenError):
        duplicate(project, name="Copy", slug=project.slug, user=manager.user, with_members=False)
    assert Project.objects.get() == project
