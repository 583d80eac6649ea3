"""The settings of a project: who may change them, what they refuse, and two who save at once."""

import re
from typing import Any

import pytest
from django.test import Client

from labelapp.models import INSTRUCTGPT_FLAGS, Member, Project, User
from tests.conftest import sign_in
from tests.labelapp.parallel import in_parallel
from tests.labelapp.projects.test_projects import page

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
