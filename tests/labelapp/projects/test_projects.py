"""Projects: the list, one's front page, a new one, and signing in."""

import re
from typing import Any

import pytest
from django.contrib.auth import BACKEND_SESSION_KEY
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django.fixtures import Settings

from labelapp.labelling import assignments
from labelapp.labelling.ranking_input import RankingInput
from labelapp.models import INSTRUCTGPT_FLAGS, Member, Project, User
from labelapp.projects import members
from tests.conftest import PASSWORD, AddPrompt, AddRanking, sign_in
from tests.labelapp.labelling.acting import submit
from tests.labelapp.parallel import in_parallel


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
    assert right["Location"] == "/"
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
    assert Client().post("/sign-in/", data)["Location"] == "/"


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
    assert 'href="/projects/kitchen/labelling/">Rank</a>' in html
    assert '<dt><a href="/projects/kitchen/my-work/">ranked by you</a></dt><dd>2</dd>' in html
    assert "people who can sign in" not in html
    assert "2 ranked by you" in page(labeller, "/")
    html = page(manager, "/projects/kitchen/")
    assert 'You have ranked <a href="/projects/kitchen/my-work/">1 prompt</a>' in html
    assert "3 rankings" in page(manager, "/")


def test_a_queue_that_is_long_is_not_said_to_be_short(
    add_prompt: AddPrompt, labeller: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assignments, "COUNTED", 2)
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
        ("slug", "kitchen", "already exists"),
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


# The settings

SETTINGS: dict[str, Any] = {
    "name": "Kitchen",
    "guidelines": "Prefer *short*.",
    "responses_per_ranking": "7",
    "rankings_per_prompt": "3",
    "ties_allowed": "on",
    "rating_scale": "7",
    "flag_choice": "own",
    "flag_names": "Rude\n\n  Wrong  \r\nOff topic",
    "lease_minutes": "20",
    "paused": "on",
}
URL = "/projects/kitchen/settings/"


def test_a_lease_may_last_for_thirty_days(project: Project, manager: Member) -> None:
    assert sign_in(manager).post(URL, SETTINGS | {"lease_minutes": "43200"}).status_code == 302
    project.refresh_from_db()
    assert project.lease_minutes == 43200


def test_a_manager_changes_the_settings(project: Project, manager: Member) -> None:
    response = sign_in(manager).post(URL, SETTINGS, follow=True)
    assert "The settings are saved." in response.content.decode()
    project.refresh_from_db()
    assert project.flags == ["Rude", "Wrong", "Off topic"]
    assert (project.responses_per_ranking, project.rankings_per_prompt) == (7, 3)
    assert (project.rating_scale, project.lease_minutes) == (7, 20)
    assert (project.ties_allowed, project.paused) == (True, True)
    assert project.slug == "kitchen"
    html = page(manager, URL)
    assert "Rude\nWrong\nOff topic</textarea>" in html
    assert "you are asked about the" in html


def test_flags_are_those_of_instructgpt_or_none(project: Project, manager: Member) -> None:
    for choice, flags in (("instructgpt", INSTRUCTGPT_FLAGS), ("off", [])):
        sign_in(manager).post(URL, SETTINGS | {"flag_choice": choice, "flag_names": ""})
        project.refresh_from_db()
        assert project.flags == flags
    html = page(manager, URL)
    assert "Hallucination\nSatisfies" in html  # what a list of one's own begins with


def test_scores_and_flags_stay_where_a_post_does_not_name_them(
    project: Project, manager: Member
) -> None:
    Project.objects.update(rating_scale=5, flags=["Rude"])
    unnamed = {"rating_scale", "flag_choice", "flag_names"}
    posted = {name: value for name, value in SETTINGS.items() if name not in unnamed}
    assert sign_in(manager).post(URL, posted).status_code == 302
    project.refresh_from_db()
    assert (project.rating_scale, project.flags) == (5, ["Rude"])


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("name", " ", "required"),
        ("guidelines", "x" * 50_001, "at most 50000 characters"),
        ("responses_per_ranking", "10", "less than or equal to 9"),
        ("rankings_per_prompt", "0", "greater than or equal to 1"),
        ("rating_scale", "6", "not one of the available choices"),
        ("lease_minutes", "0", "greater than or equal to 1"),
        ("flag_choice", "some", "not one of the available choices"),
        ("flag_names", " \n ", "Enter at least one flag"),
        ("flag_names", "Rude\nrude", "“rude” is listed twice."),
        ("flag_names", "x" * 101, "is longer than 100 characters"),
        ("flag_names", "\n".join(map(str, range(31))), "Enter at most 30 flags; these are 31."),
        ("flag_names", "a\0b", "Null characters"),
    ],
)
def test_bad_settings_are_refused_in_words(
    project: Project, manager: Member, field: str, value: str, message: str
) -> None:
    response = sign_in(manager).post(URL, SETTINGS | {field: value})
    assert response.status_code == 422
    assert message in response.content.decode()
    project.refresh_from_db()
    assert (project.name, project.lease_minutes, project.flags) == ("Kitchen", 60, [])


def test_only_managers_open_the_settings(
    manager: Member, reviewer: Member, labeller: Member, outsider: User
) -> None:
    for person, status in ((reviewer, 403), (labeller, 403), (outsider, 404)):
        assert sign_in(person).get(URL).status_code == status
        assert sign_in(person).post(URL, SETTINGS).status_code == status
        assert URL not in page(person, "/")
    assert Client().get(URL)["Location"] == f"/sign-in/?next={URL}"
    assert sign_in(manager).put(URL).status_code == 405
    assert sign_in(manager).get("/projects/attic/settings/").status_code == 404
    assert URL in page(manager, "/projects/kitchen/")
    assert URL not in page(labeller, "/projects/kitchen/")


def test_guidelines_are_shown_while_they_are_written(
    project: Project, manager: Member, labeller: Member, outsider: User, root: User
) -> None:
    url = f"{URL}preview/"
    client = sign_in(root)
    response = client.post(url, {"guidelines": "Be **kind**. <script>x</script>"})
    html = response.content.decode()
    assert "<strong>kind</strong>" in html
    assert "<script" not in html
    assert "Nothing written yet." in client.post(url).content.decode()
    assert client.get(url).status_code == 405
    assert Client().post(url).status_code == 302
    assert sign_in(manager).post(url).status_code == 200
    assert sign_in(labeller).post(url).status_code == 403
    assert sign_in(outsider).post(url).status_code == 404


@pytest.mark.parametrize("url", [URL, f"{URL}preview/"])
def test_guidelines_that_are_too_long_are_not_rendered(manager: Member, url: str) -> None:
    posted = SETTINGS | {"guidelines": "**x** " * 10_000}
    for preview in ({}, {"preview": "1"}):
        response = sign_in(manager).post(url, posted | preview)
        assert response.status_code == (200 if preview and url == URL else 422)
        html = response.content.decode()
        assert "at most 50000 characters (it has 59999)" in html
        assert "<strong>x</strong>" not in html


def version(html: str) -> str:
    """The version of the stored values that a page has shown."""
    found = re.search(r'name="version" value="(\w+)"', html)
    assert found
    return found[1]


def test_settings_that_somebody_else_has_saved_are_not_overwritten_in_silence(
    project: Project, manager: Member
) -> None:
    client = sign_in(manager)
    opened = version(page(manager, URL))
    theirs = SETTINGS | {"guidelines": "Be **kind**.", "rating_scale": "5"}
    assert client.post(URL, theirs | {"version": opened}).status_code == 302
    mine = SETTINGS | {"version": opened, "guidelines": "Be <b>short</b>.", "rating_scale": "5"}
    refused = client.post(URL, mine)
    assert refused.status_code == 409
    html = " ".join(refused.content.decode().split())
    assert "Somebody else has changed these settings" in html
    both = re.search(r"<dt>Guidelines</dt>.*?</div>", html)
    assert both
    assert ">Be **kind**.<" in both[0]
    assert ">Be &lt;b&gt;short&lt;/b&gt;.<" in both[0]
    assert "<dt>Score of each response</dt>" not in html  # the same in both
    project.refresh_from_db()
    assert project.guidelines == "Be **kind**."
    on_purpose = mine | {"version": version(html)}
    assert client.post(URL, on_purpose).status_code == 302
    project.refresh_from_db()
    assert project.guidelines == "Be <b>short</b>."


@pytest.mark.parametrize("posted", [{}, {"lease_minutes": "0"}])
def test_what_is_stale_is_said_before_what_is_wrong_and_only_until_it_was_seen(
    project: Project, manager: Member, posted: dict[str, str]
) -> None:
    opened = version(page(manager, URL))
    Project.objects.update(name="Renamed")
    stale = sign_in(manager).post(URL, SETTINGS | {"version": opened} | posted)
    assert stale.status_code == 409
    html = stale.content.decode()
    assert "<dt>Name</dt>" in html
    again = SETTINGS | {"version": version(html)} | posted
    assert sign_in(manager).post(URL, again).status_code == (422 if posted else 302)


def test_saving_twice_is_no_conflict(project: Project, manager: Member) -> None:
    """A page that was saved is opened anew, with the version of what it has saved."""
    for name in ("One", "Two"):
        posted = SETTINGS | {"version": version(page(manager, URL)), "name": name}
        assert sign_in(manager).post(URL, posted).status_code == 302
    project.refresh_from_db()
    assert project.name == "Two"


@pytest.mark.django_db(transaction=True)
def test_of_two_who_save_at_once_one_is_told(project: Project, manager: Member) -> None:
    opened = version(page(manager, URL))
    codes: list[int] = []

    def save(name: str) -> None:
        posted = SETTINGS | {"version": opened, "name": name}
        codes.append(sign_in(manager).post(URL, posted).status_code)

    assert in_parallel(*[lambda name=name: save(name) for name in ("One", "Two", "Three")]) == []
    assert sorted(codes) == [302, 409, 409]


@pytest.mark.parametrize("url", [URL, "/projects/kitchen/setup/guidelines/"])
def test_without_scripts_a_button_shows_the_guidelines(
    project: Project, root: User, url: str
) -> None:
    posted = SETTINGS | {"slug": "attic", "guidelines": "Be **kind**.", "preview": "1"}
    response = sign_in(root).post(url, posted)
    assert response.status_code == 200
    assert "<strong>kind</strong>" in response.content.decode()
    assert "Be **kind**.</textarea>" in response.content.decode()
    assert Project.objects.get().guidelines == "Prefer *short*."


def test_the_front_page_leads_a_manager_without_guidelines_to_the_settings(
    project: Project, manager: Member, labeller: Member
) -> None:
    Project.objects.update(guidelines="")
    assert f'<a href="{URL}">Write them</a>' in page(manager, "/projects/kitchen/")
    assert "no guidelines yet" not in page(labeller, "/projects/kitchen/")


def test_an_administrator_changes_a_member_in_the_admin_pages_and_no_count(
    project: Project, labeller: Member, root: User
) -> None:
    client = sign_in(root)
    url = f"/admin/labelapp/member/{labeller.pk}/change/"
    data = {"project": project.pk, "user": labeller.user_id, "name": "Lee", "role": "reviewer"}
    Member.objects.filter(pk=labeller.pk).update(ranked=7)
    answer = client.post(url, data | {"ranked": "3"})
    assert answer.status_code == 302
    labeller.refresh_from_db()
    assert (labeller.name, labeller.role, labeller.ranked) == ("Lee", "reviewer", 7)


def test_an_administrator_may_change_a_project_in_the_admin_pages(
    project: Project, root: User
) -> None:
    url = f"/admin/labelapp/project/{project.pk}/change/"
    assert "flag_names" in page(root, url)
    response = sign_in(root).post(url, SETTINGS | {"slug": "kitchen"})
    assert response.status_code == 302
    project.refresh_from_db()
    assert (project.rating_scale, project.flags) == (7, ["Rude", "Wrong", "Off topic"])


# The commands


def test_create_project_makes_one_once(db: None, capsys: Any, tmp_path: Any) -> None:
    guidelines = tmp_path / "guidelines.md"
    guidelines.write_text("Be *kind*.")
    options = ["--name", "Attic", "--guidelines-file", str(guidelines), "--no-ties"]
    call_command("create_project", "attic", *options)
    project = Project.objects.get()
    assert (project.name, project.guidelines, project.ties_allowed) == (
        "Attic",
        "Be *kind*.",
        False,
    )
    call_command("create_project", "attic")
    assert "already exists" in capsys.readouterr().out
    with pytest.raises(CommandError, match="valid “slug”"):
        call_command("create_project", "two words")
    with pytest.raises(CommandError, match="is taken"):
        call_command("create_project", "new")


def test_add_member_prints_a_password_once(project: Project, manager: Member, capsys: Any) -> None:
    call_command("add_member", "zoe", "--project", "kitchen", "--role", "manager")
    password = capsys.readouterr().out.split()[-1]
    assert Client().login(username="zoe", password=password)
    assert project.members.get(name="zoe").manages
    call_command("add_member", "zoe", "--project", "kitchen")
    assert "zoe is already a manager of kitchen." in capsys.readouterr().out
    call_command("add_member", "zoe", "--project", "kitchen", "--role", "reviewer")
    assert "zoe was a manager of kitchen and is now a reviewer." in capsys.readouterr().out
    assert project.members.get(name="zoe").role == "reviewer"
    assert Client().login(username="zoe", password=password)


def test_add_member_brings_back_who_was_removed(
    project: Project, labeller: Member, capsys: Any
) -> None:
    members.remove(member=labeller)
    call_command("add_member", "labeller", "--project", "kitchen")
    assert "labeller is back in kitchen as a labeller." in capsys.readouterr().out
    assert sign_in(labeller).get("/projects/kitchen/").status_code == 200


def test_add_member_leaves_a_project_its_last_manager(project: Project, manager: Member) -> None:
    with pytest.raises(CommandError, match="only manager"):
        call_command("add_member", "manager", "--project", "kitchen", "--role", "labeller")
    assert project.members.get().manages


@pytest.mark.parametrize("name", ["", "two words", "x" * 151])
def test_add_member_refuses_a_name_that_cannot_be(project: Project, name: str) -> None:
    with pytest.raises(CommandError):
        call_command("add_member", name, "--project", "kitchen")
    assert not User.objects.exists()


def test_add_member_refuses_a_name_that_imported_rankings_have(project: Project) -> None:
    Member.objects.create(project=project, name="ann")
    with pytest.raises(CommandError, match="the name 'ann' belongs to rankings"):
        call_command("add_member", "ann", "--project", "kitchen")
    assert not User.objects.exists()
