"""Projects: the list, one's front page, a new one, and signing in."""

from typing import Any

import pytest
from django.contrib.auth import BACKEND_SESSION_KEY
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django.fixtures import Settings

from labelapp.labelling import assignments, own_progress
from labelapp.labelling.ranking_input import RankingInput
from labelapp.models import Member, Project, State, TrainingRun, User
from labelapp.projects import members
from tests.conftest import PASSWORD, AddPrompt, AddRanking, sign_in
from tests.labelapp.labelling.acting import submit


def page(person: Member | User, url: str) -> str:
    response = sign_in(person).get(url)
    assert response.status_code == 200
    return response.content.decode()


# Signing in


def test_everybody_else_is_sent_to_sign_in(db: None) -> None:
    for url in ("/", "/projects/kitchen/", "/projects/new/"):
        assert Client().get(url)["Location"] == f"/sign-in/?next={url}"


def test_a_session_ends_with_its_time_its_login_and_its_password(labeller: Member) -> None:
    login = labeller.user
    assert login is not None

    def opens(client: Client) -> bool:
        return client.get("/projects/kitchen/").status_code == 200

    expired, closed, changed = sign_in(labeller), sign_in(labeller), sign_in(labeller)
    assert opens(expired)
    Session.objects.filter(pk=expired.session.session_key).update(expire_date=timezone.now())
    assert not opens(expired)
    User.objects.filter(pk=login.pk).update(is_active=False)
    assert not opens(closed)
    User.objects.filter(pk=login.pk).update(is_active=True)
    assert opens(closed)
    login.set_password("another long password")
    login.save()
    assert not opens(changed)


def test_signing_in_and_out(labeller: Member) -> None:
    client = Client()
    wrong = client.post("/sign-in/", {"username": "labeller", "password": "wrong"})
    assert "correct username and password" in wrong.content.decode()
    right = client.post("/sign-in/", {"username": "labeller", "password": PASSWORD})
    assert right["Location"] == "/projects/kitchen/labelling/"
    assert client.get("/").status_code == 200
    assert client.get("/sign-out/").status_code == 405
    client.post("/sign-out/")
    assert client.get("/").status_code == 302


def test_a_session_of_an_earlier_version_stays_signed_in(labeller: Member) -> None:
    client = Client()
    client.login(username="labeller", password=PASSWORD)
    session = client.session
    session[BACKEND_SESSION_KEY] = "labelapp.signin.Backend"
    session.save()
    assert client.get("/").status_code == 200


def test_an_empty_installation_says_how_to_begin(db: None) -> None:
    assert "createsuperuser" in Client().get("/sign-in/").content.decode()


def test_sign_in_does_not_lead_elsewhere(labeller: Member) -> None:
    data = {"username": "labeller", "password": PASSWORD, "next": "https://evil.example/"}
    assert Client().post("/sign-in/", data)["Location"] == "/projects/kitchen/labelling/"


def lands_on(name: str, query: str = "") -> str:
    """Return where a person comes after signing in."""
    data = {"username": name, "password": PASSWORD, "next": query}
    return str(Client().post("/sign-in/", data)["Location"])


def test_in_their_only_project_people_come_to_what_they_do_there(
    labeller: Member, reviewer: Member, manager: Member, outsider: User, root: User
) -> None:
    ours = "/projects/kitchen/"
    assert lands_on("labeller", "/") == f"{ours}labelling/"
    assert lands_on("labeller", f"{ours}my-work/") == f"{ours}my-work/"
    assert lands_on("manager") == lands_on("reviewer") == ours
    TrainingRun.objects.create(
        project=manager.project, state=State.STOPPED, finished_at=timezone.now()
    )
    run = TrainingRun.objects.create(project=manager.project)
    assert lands_on("reviewer") == f"{ours}runs/{run.pk}/"
    assert lands_on("manager") == ours
    assert lands_on("outsider") == lands_on("root") == "/"


def test_people_of_several_projects_come_to_the_list_of_them(
    labeller: Member, add_prompt: AddPrompt
) -> None:
    add_prompt()
    attic = Project.objects.create(name="Attic", slug="attic")
    theirs = Member.objects.create(project=attic, user=labeller.user, name="labeller")
    assert lands_on("labeller") == "/"
    html = sign_in(labeller).get("/").content.decode()
    assert 'href="/projects/kitchen/labelling/"' in html
    Project.objects.filter(pk=attic.pk).update(archived_at=timezone.now())
    assert lands_on("labeller") == "/projects/kitchen/labelling/"
    Project.objects.filter(pk=attic.pk).update(archived_at=None)
    theirs.is_active = False
    theirs.save()
    assert lands_on("labeller") == "/projects/kitchen/labelling/"


# The list


def test_a_person_sees_their_own_projects(
    labeller: Member, outsider: User, root: User, add_prompt: AddPrompt
) -> None:
    add_prompt()
    assert "Kitchen" in page(labeller, "/")
    assert "Kitchen" not in page(outsider, "/")
    assert "Kitchen" in page(root, "/")


@pytest.mark.parametrize("projects", [1, 12])
def test_the_list_makes_the_same_queries_for_many_projects(labeller: Member, projects: int) -> None:
    for i in range(projects):
        project = Project.objects.create(name=f"P{i}", slug=f"p{i}")
        Member.objects.create(project=project, user=labeller.user, name="labeller")
    client = sign_in(labeller)
    with CaptureQueriesContext(connection) as queries:
        client.get("/")
    assert len(queries) == 8


def test_the_list_says_what_waits_for_a_person_and_counts_to_a_hundred(
    project: Project, add_prompt: AddPrompt, labeller: Member, root: User
) -> None:
    other = Project.objects.create(name="Attic", slug="attic", paused=True)
    Member.objects.create(project=other, user=labeller.user, name="labeller")
    other.prompts.create(messages=[], content_hash="x", rankings_wanted=1, rankings_needed=1)
    for i in range(3):
        add_prompt(f"{i}?")
    assignments.current_assignment(labeller)
    html = page(labeller, "/")
    assert "3 prompts to rank" in html
    assert html.count("to rank") == 1
    assert "paused" in html  # the other one
    for i in range(3, 101):
        add_prompt(f"{i}?")
    assert "100+ prompts to rank" in page(labeller, "/")
    assert "100+ prompts to rank" in page(labeller, "/projects/kitchen/")
    assert "nothing to rank" in page(root, "/")


# A project's front page


def test_the_front_page_shows_what_there_is(
    add_prompt: AddPrompt, add_ranking: AddRanking, labeller: Member, manager: Member
) -> None:
    add_ranking(add_prompt("One?"), labeller, [1, 2, 3, 4])
    add_prompt("Two?")
    html = page(manager, "/projects/kitchen/")
    assert "<em>short</em>" in html  # the guidelines
    for count in ("2 prompts", "8 responses", "1 ranking"):
        assert count in html


def test_what_waits_is_what_this_person_can_rank(
    project: Project, add_prompt: AddPrompt, labeller: Member, manager: Member
) -> None:
    add_prompt("One?", wanted=2)
    add_prompt("Two?", wanted=2)
    assignment = assignments.current_assignment(labeller)
    assert assignment is not None
    for url in ("/", "/projects/kitchen/"):
        assert "2 prompts to rank" in page(labeller, url)  # the open one among them
    submit(assignment=assignment, entered=RankingInput(dict.fromkeys("ABCD", 1)))
    assert "1 prompt to rank" in page(labeller, "/projects/kitchen/")
    second = assignments.current_assignment(labeller)
    assert second is not None
    submit(assignment=second, entered=RankingInput(dict.fromkeys("ABCD", 1)))
    assert "nothing to rank" in page(labeller, "/")
    assert "2 prompts need rankings from other labellers" in page(labeller, "/projects/kitchen/")
    assert "2 prompts to rank" in page(manager, "/")


def test_a_paused_project_says_so_and_offers_what_was_begun_alone(
    project: Project, add_prompt: AddPrompt, labeller: Member, manager: Member
) -> None:
    add_prompt("One?", wanted=2)
    add_prompt("Two?", wanted=2)
    assignments.current_assignment(labeller)
    Project.objects.update(paused=True)
    for url in ("/", "/projects/kitchen/"):
        assert "1 prompt to rank" in page(labeller, url)
    listed = page(manager, "/")
    assert "paused" in listed
    assert "for you" not in listed
    html = page(manager, "/projects/kitchen/")
    assert "This project is paused" in html
    assert "you resume it on the" in html
    assert "prompts waiting" not in html
    assert "prompts on hold" in html


def test_the_front_page_leads_a_labeller_to_rank_and_shows_their_own_work(
    add_prompt: AddPrompt, labeller: Member, manager: Member
) -> None:
    for question in ("One?", "Two?", "Three?"):
        add_prompt(question, wanted=2)
    for person, tasks in ((labeller, 2), (manager, 1)):
        for _ in range(tasks):
            assignment = assignments.current_assignment(person)
            assert assignment is not None
            submit(assignment=assignment, entered=RankingInput(dict.fromkeys("ABCD", 1)))
    html = page(labeller, "/projects/kitchen/")
    assert "1 prompt to rank" in html
    assert 'href="/projects/kitchen/labelling/" autofocus>Rank</a>' in html
    assert '<dt><a href="/projects/kitchen/my-work/">ranked by you</a></dt><dd>2</dd>' in html
    assert "people who can sign in" not in html
    assert "2 ranked by you" in page(labeller, "/")
    html = page(manager, "/projects/kitchen/")
    assert 'You have ranked <a href="/projects/kitchen/my-work/">1 prompt</a>' in html
    assert "3 rankings" in page(manager, "/")


def test_a_queue_that_is_long_is_not_said_to_be_short(
    add_prompt: AddPrompt, labeller: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_progress, "COUNTED", 2)
    for question in ("One?", "Two?", "Three?"):
        add_prompt(question)
    assert "2+ prompts to rank" in page(labeller, "/projects/kitchen/")


def test_labellers_see_no_way_to_scores(labeller: Member, reviewer: Member) -> None:
    for person, sees in ((labeller, False), (reviewer, True)):
        html = page(person, "/projects/kitchen/")
        assert ("/projects/kitchen/reviewing/" in html) is sees
        assert ("/projects/kitchen/runs/" in html) is sees


def test_a_project_that_is_not_yours_does_not_exist(project: Project, outsider: User) -> None:
    for slug in ("kitchen", "attic"):
        assert sign_in(outsider).get(f"/projects/{slug}/").status_code == 404


def test_a_superuser_manages_every_project(project: Project, root: User) -> None:
    assert "/projects/kitchen/runs/" in page(root, "/projects/kitchen/")
    assert sign_in(root).get("/projects/kitchen/runs/").status_code == 200
    Member.objects.create(project=project, user=root, name="root")  # a labeller, to rank as well
    assert sign_in(root).get("/projects/kitchen/runs/").status_code == 200
    assert sign_in(root).get("/projects/kitchen/labelling/").status_code == 200


def test_a_removed_member_sees_nothing_of_the_project(
    project: Project, add_prompt: AddPrompt, labeller: Member
) -> None:
    add_prompt()
    members.remove(member=labeller)
    assert "Kitchen" not in page(labeller, "/")
    for path in ("", "labelling/", "work/", "runs/", "reviewing/", "people/", "settings/"):
        assert sign_in(labeller).get(f"/projects/kitchen/{path}").status_code == 404


def test_an_administrator_who_was_removed_is_an_administrator(
    project: Project, root: User, add_prompt: AddPrompt, manager: Member
) -> None:
    add_prompt()
    members.remove(member=Member.objects.create(project=project, user=root, name="root"))
    html = page(root, "/")
    assert "You are an administrator" in html
    assert "/projects/kitchen/labelling/" not in html
    assert sign_in(root).get("/projects/kitchen/labelling/").status_code == 403


def test_people_who_cannot_sign_in_are_not_counted(
    project: Project, add_prompt: AddPrompt, labeller: Member, manager: Member
) -> None:
    add_prompt()
    members.remove(member=labeller)
    Member.objects.create(project=project, name="imported")
    assert "1 person who can sign in" in page(manager, "/projects/kitchen/")


# A new project

FORM: dict[str, Any] = {
    "name": "Attic",
    "slug": "attic",
    "responses_per_ranking": "6",
    "rankings_per_prompt": "2",
    "lease_minutes": "30",
}


def test_an_administrator_starts_a_project_and_manages_it(root: User) -> None:
    response = sign_in(root).post("/projects/new/", FORM)
    assert response["Location"] == "/projects/attic/setup/guidelines/"
    project = Project.objects.get(slug="attic")
    assert (project.responses_per_ranking, project.ties_allowed) == (6, False)
    assert project.members.get().user == root
    assert project.members.get().manages


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("slug", "new", "is taken"),
        ("slug", "kitchen", "Another project has this slug"),
        ("slug", "two words", "slug"),
        ("responses_per_ranking", "10", "less than or equal to 9"),
        ("responses_per_ranking", "3", "greater than or equal to 4"),
        ("name", "", "required"),
    ],
)
def test_a_bad_new_project_is_refused_in_words(
    project: Project, root: User, field: str, value: str, message: str
) -> None:
    response = sign_in(root).post("/projects/new/", FORM | {field: value})
    assert response.status_code == 422
    assert message in response.content.decode()
    assert Project.objects.count() == 1


def test_only_administrators_start_projects(manager: Member) -> None:
    assert sign_in(manager).get("/projects/new/").status_code == 403
    assert sign_in(manager).post("/projects/new/", FORM).status_code == 403


@pytest.mark.parametrize(
    ("creators", "starts"),
    [("superusers", set()), ("staff", {"staff"}), ("everyone", {"staff", "labeller"})],
)
def test_the_settings_say_who_starts_projects(
    labeller: Member, settings: Settings, creators: str, starts: set[str]
) -> None:
    settings.PROJECT_CREATORS = creators
    staff = User.objects.create_user("staff", password=PASSWORD, is_staff=True)
    for name, person in {"staff": staff, "labeller": labeller}.items():
        client, may = sign_in(person), name in starts
        assert ("/projects/new/" in client.get("/").content.decode()) == may
        assert client.get("/projects/new/").status_code == (200 if may else 403)
        form = FORM | {"slug": f"of-{name}"}
        assert client.post("/projects/new/", form).status_code == (302 if may else 403)
        assert Project.objects.filter(slug=f"of-{name}").exists() == may
