"""The people of a project: roles, removing, bringing back; a project keeps a manager."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from labelapp.labelling import assignments
from labelapp.labelling.ranking_input import RankingInput
from labelapp.models import Assignment, Member, Project, Ranking, Role, User
from labelapp.projects import members
from tests.conftest import PASSWORD, AddPrompt, join, sign_in
from tests.labelapp.labelling.acting import submit
from tests.labelapp.parallel import in_parallel

URL = "/projects/kitchen/people/"
ABCD = {"A": 1, "B": 2, "C": 3, "D": 4}
HTMX = {"HTTP_HX_REQUEST": "true"}


def page(person: Member | User, url: str = URL) -> str:
    response = sign_in(person).get(url)
    assert response.status_code == 200
    return response.content.decode()


def act(by: Member | User, what: str, to: Member, **posted: str) -> str:
    """Return the messages of the page after a manager's act, without scripts."""
    response = sign_in(by).post(f"{URL}{to.pk}/{what}/", posted, follow=True)
    assert response.status_code == 200
    to.refresh_from_db()
    return response.content.decode()


# What is decided


def test_a_member_gets_another_role(manager: Member, labeller: Member) -> None:
    members.change_role(member=labeller, role=Role.REVIEWER)
    labeller.refresh_from_db()
    assert labeller.role == Role.REVIEWER
    with pytest.raises(ValueError, match="'king' is not a role"):
        members.change_role(member=labeller, role="king")


def test_who_is_removed_keeps_rankings_and_gives_back_what_they_had_begun(
    add_prompt: AddPrompt, labeller: Member, project: Project
) -> None:
    add_prompt("One?")
    begun = add_prompt("Two?")
    first = assignments.current_assignment(labeller)
    assert first is not None
    submit(assignment=first, entered=RankingInput(ABCD))
    second = assignments.current_assignment(labeller)
    assert second is not None
    assert second.prompt == begun
    members.remove(member=labeller)
    assert Ranking.objects.get().member == labeller
    assert Assignment.objects.get(pk=first.pk).slot == 1
    assert Assignment.objects.get(pk=second.pk).slot is None
    other = join(project, "other", Role.LABELLER)
    handed_on = assignments.current_assignment(other)
    assert handed_on is not None
    assert handed_on.prompt == begun


def test_removing_twice_frees_a_slot_once(add_prompt: AddPrompt, labeller: Member) -> None:
    prompt = add_prompt()
    assignments.current_assignment(labeller)
    for _ in range(2):
        members.remove(member=labeller)
        prompt.refresh_from_db()
        assert prompt.rankings_needed == 1


def test_who_comes_back_goes_on_with_what_they_had_begun(
    add_prompt: AddPrompt, labeller: Member
) -> None:
    add_prompt()
    begun = assignments.current_assignment(labeller)
    members.remove(member=labeller)
    members.bring_back(member=labeller)
    assert assignments.current_assignment(labeller) == begun
    assert sign_in(labeller).get("/projects/kitchen/").status_code == 200


def test_the_last_manager_stays_one(project: Project, manager: Member) -> None:
    Member.objects.create(project=project, name="no login", role=Role.MANAGER)
    members.remove(member=join(project, "gone", Role.MANAGER))
    locked_out = join(project, "locked out", Role.MANAGER)
    User.objects.filter(pk=locked_out.user_id).update(is_active=False)
    for change in (
        lambda: members.change_role(member=manager, role=Role.LABELLER),
        lambda: members.remove(member=manager),
    ):
        with pytest.raises(members.LastManagerError, match="manager is the only manager"):
            change()
    join(project, "second", Role.MANAGER)
    members.remove(member=manager)
    manager.refresh_from_db()
    assert not manager.is_active


@pytest.mark.django_db(transaction=True)
def test_two_managers_who_demote_each_other_leave_one(project: Project) -> None:
    for i in range(8):
        Member.objects.all().delete()
        both = [join(project, f"{name} {i}", Role.MANAGER) for name in ("ann", "bob")]
        jobs = [
            lambda member=both[0]: members.change_role(member=member, role=Role.LABELLER),
            lambda member=both[1]: members.remove(member=member),
        ]
        failures = in_parallel(*jobs)
        assert [type(failure) for failure in failures] == [members.LastManagerError]
        assert project.members.filter(role=Role.MANAGER, is_active=True).count() == 1


def test_a_taken_name_gets_a_number(project: Project) -> None:
    assert members.free_name(project, "ann") == "ann"
    for taken in ("ann", "ann (2)", "x" * 150):
        Member.objects.create(project=project, name=taken)
    assert members.free_name(project, "ann") == "ann (3)"
    assert members.free_name(project, "x" * 150) == "x" * 146 + " (2)"


# The page


def test_a_manager_sees_who_is_there(project: Project, manager: Member, labeller: Member) -> None:
    Member.objects.filter(pk=labeller.pk).update(ranked=12)
    Member.objects.create(project=project, name="an imported name")
    members.remove(member=join(project, "somebody gone", Role.LABELLER))
    html = page(manager)
    assert "12 rankings" in html
    assert "has not signed in yet" in html
    assert "an imported name" not in html
    assert "an imported name" in page(manager, f"{URL}?show=imported")
    assert "somebody gone" not in html
    assert "somebody gone" in page(manager, f"{URL}?show=removed")
    User.objects.filter(pk=labeller.user_id).update(is_active=False)
    assert "cannot sign in" in page(manager)


def test_a_name_that_is_hostile_is_shown_as_text(project: Project, manager: Member) -> None:
    join(project, "<script>alert(1)</script>", Role.LABELLER)
    html = page(manager)
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(1)" in html


@pytest.mark.parametrize("many", [1, 60])
def test_the_list_makes_the_same_queries_for_many_people(
    project: Project, manager: Member, many: int
) -> None:
    for i in range(many):
        user = User.objects.create(username=f"p{i}")
        Member.objects.create(project=project, user=user, name=f"p{i}")
    client = sign_in(manager)
    with CaptureQueriesContext(connection) as queries:
        client.get(URL)
    assert len(queries) == 7


def test_a_manager_changes_a_role_removes_and_brings_back(
    manager: Member, labeller: Member
) -> None:
    assert "labeller is now a reviewer." in act(manager, "role", labeller, role="reviewer")
    assert "labeller has been removed." in act(manager, "remove", labeller)
    assert not labeller.is_active
    assert "labeller is back as a reviewer." in act(manager, "back", labeller)
    assert (labeller.role, labeller.is_active) == ("reviewer", True)


def test_with_scripts_the_row_alone_changes(manager: Member, labeller: Member) -> None:
    client = sign_in(manager)
    url = f"{URL}{labeller.pk}/"
    changed = client.post(f"{url}role/", {"role": "reviewer"}, **HTMX).content.decode()
    assert "labeller is now a reviewer." in changed
    assert "<html" not in changed
    removed = client.post(f"{url}remove/", **HTMX).content.decode()
    assert "Bring back" in removed
    assert "Bring back" not in client.post(f"{url}back/", **HTMX).content.decode()


def test_a_changed_role_is_undone_in_its_row(manager: Member, labeller: Member) -> None:
    client = sign_in(manager)
    url = f"{URL}{labeller.pk}/role/"
    row = client.post(url, {"role": "reviewer", "shown": "labeller"}, **HTMX).content.decode()
    assert 'name="role" value="labeller">Undo<' in row
    row = client.post(url, {"role": "labeller", "shown": "reviewer"}, **HTMX).content.decode()
    assert "is now a labeller" in row
    labeller.refresh_from_db()
    assert labeller.role == Role.LABELLER
    row = client.post(url, {"role": "labeller", "shown": "labeller"}, **HTMX).content.decode()
    assert "Undo<" not in row  # nothing has changed


def test_people_are_found_by_name_and_address(
    project: Project, manager: Member, labeller: Member
) -> None:
    assert labeller.user is not None
    User.objects.filter(pk=labeller.user.pk).update(email="Zoe@example.org")
    for number in range(5):
        join(project, f"person-{number}", Role.LABELLER)
    assert "Name or e-mail" in page(manager)
    found = page(manager, f"{URL}?q=PERSON-3")
    assert "person-3" in found
    assert ">person-2<" not in found
    by_address = page(manager, f"{URL}?q=zoe@")
    assert f'id="person-{labeller.pk}"' in by_address
    assert "Zoe@example.org" in by_address
    assert "Nobody matches “&lt;i&gt;”" in page(manager, f"{URL}?q=<i>")
    assert f'href="{URL}{labeller.pk}/"' in page(manager)


def test_bad_changes_are_refused_in_words(manager: Member, labeller: Member) -> None:
    said = "“king” is not a role. Choose labeller, reviewer or manager."
    assert said in act(manager, "role", labeller, role="king")
    assert "Choose a role." in act(manager, "role", labeller)
    only = "manager is the only manager of this project."
    assert only in act(manager, "role", manager, role="labeller")
    assert only in act(manager, "remove", manager)
    assert manager.manages
    client = sign_in(manager)
    refused = client.post(f"{URL}{manager.pk}/remove/", **HTMX)
    assert refused.status_code == 422
    assert only in refused.content.decode()


def test_a_role_that_somebody_else_has_changed_is_not_changed_in_silence(
    manager: Member, labeller: Member
) -> None:
    members.change_role(member=labeller, role=Role.MANAGER)
    stale = {"shown": "labeller", "role": "reviewer"}
    url = f"{URL}{labeller.pk}/role/"
    refused = sign_in(manager).post(url, stale, **HTMX)
    assert refused.status_code == 409
    html = refused.content.decode()
    assert "Somebody else has made labeller a manager meanwhile." in html
    assert 'name="shown" value="manager"' in html  # from here on it is on purpose
    assert "meanwhile" in act(manager, "role", labeller, **stale)
    assert labeller.role == Role.MANAGER
    assert "now a manager" in act(manager, "role", labeller, shown="labeller", role="manager")
    assert "now a reviewer" in act(manager, "role", labeller, shown="manager", role="reviewer")


def test_a_manager_who_gives_the_role_up_lands_where_they_may_be(
    project: Project, manager: Member
) -> None:
    join(project, "second", Role.MANAGER)
    client = sign_in(manager)
    gone = client.post(f"{URL}{manager.pk}/role/", {"role": "labeller"})
    assert gone["Location"] == "/projects/kitchen/"
    members.change_role(member=manager, role=Role.MANAGER)
    gone = client.post(f"{URL}{manager.pk}/remove/", **HTMX)
    assert gone["HX-Redirect"] == "/"


def test_an_administrator_manages_people_too(project: Project, labeller: Member) -> None:
    root = User.objects.create_superuser("root", password=PASSWORD)
    assert "labeller is now a manager." in act(root, "role", labeller, role="manager")
    assert "labeller is the only manager" in act(root, "remove", labeller)


@pytest.mark.parametrize("what", ["role", "remove", "back"])
def test_nobody_else_changes_people(
    what: str, manager: Member, reviewer: Member, labeller: Member, outsider: User
) -> None:
    url = f"{URL}{labeller.pk}/{what}/"
    for person, status in ((reviewer, 403), (labeller, 403), (outsider, 404)):
        assert sign_in(person).get(URL).status_code == status
        assert sign_in(person).post(url, {"role": "manager"}).status_code == status
    assert Client().post(url, {"role": "manager"})["Location"] == f"/sign-in/?next={url}"
    assert sign_in(manager).get(url).status_code == 405
    labeller.refresh_from_db()
    assert (labeller.role, labeller.is_active) == ("labeller", True)


@pytest.mark.parametrize("what", ["role", "remove", "back"])
def test_only_people_of_the_project_are_changed(
    what: str, manager: Member, project: Project
) -> None:
    elsewhere = Project.objects.create(name="Attic", slug="attic")
    stranger = join(elsewhere, "stranger", Role.LABELLER)
    nameless = Member.objects.create(project=project, name="no login")
    for pk in (stranger.pk, nameless.pk, 9_999_999):
        response = sign_in(manager).post(f"{URL}{pk}/{what}/", {"role": "manager"})
        assert response.status_code == 404
    assert sign_in(manager).get("/projects/attic/people/").status_code == 404


# Joining as an administrator


def test_a_superuser_outside_the_project_joins_it_as_a_manager(
    project: Project, root: User, add_prompt: AddPrompt
) -> None:
    add_prompt()
    client = sign_in(root)
    overview = client.get("/projects/kitchen/").content.decode()
    assert 'action="/projects/kitchen/join/"' in overview
    assert "manage.py" not in overview
    answer = client.post("/projects/kitchen/join/", {"back": "/projects/kitchen/disagreements/"})
    assert answer["Location"] == "/projects/kitchen/disagreements/"
    joined = Member.objects.get(user=root)
    assert (joined.project, joined.name, joined.role) == (project, "root", Role.MANAGER)
    assert "Join this project" not in client.get("/projects/kitchen/").content.decode()
    client.post("/projects/kitchen/join/")
    assert Member.objects.filter(user=root).count() == 1


def test_a_superuser_who_was_removed_comes_back_and_a_taken_name_gets_a_number(
    project: Project, root: User, manager: Member
) -> None:
    Member.objects.create(project=project, name="root")  # of imported rankings
    joined = members.join_as_manager(project=project, user=root)
    assert joined.name == "root (2)"
    members.remove(member=joined)
    back = members.join_as_manager(project=project, user=root)
    assert (back.pk, back.is_active, back.removed_at) == (joined.pk, True, None)


def test_nobody_else_joins_a_project_uninvited(
    project: Project, root: User, labeller: Member, outsider: User
) -> None:
    url = "/projects/kitchen/join/"
    assert sign_in(labeller).post(url).status_code == 403
    assert sign_in(outsider).post(url).status_code == 404
    assert Client().post(url)["Location"].startswith("/sign-in/")
    assert sign_in(root).get(url).status_code == 405
    labeller.refresh_from_db()
    assert labeller.role == Role.LABELLER
    assert not Member.objects.filter(user__in=[root, outsider]).exists()
    project.archived_at = timezone.now()
    project.save()
    assert sign_in(root).post(url).status_code == 403
    assert not Member.objects.filter(user=root).exists()
