"""Invitations: links that managers make, and joining by them."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from labelapp.models import Invitation, Member, Project, Role, User
from labelapp.projects import invitations, members
from tests.conftest import PASSWORD, join, sign_in
from tests.labelapp.parallel import in_parallel
from tests.labelapp.projects.invited import ACCOUNT, FORM, URL, accounts, end, make, path, role_of

# Making


def test_a_manager_makes_a_link_and_sees_it_in_the_list(project: Project, manager: Member) -> None:
    client = sign_in(manager)
    response = client.post(URL, FORM | {"role": "reviewer"}, follow=True)
    invitation = Invitation.objects.get()
    assert (invitation.role, invitation.uses_left, invitation.used) == ("reviewer", 1, 0)
    assert invitation.created_by == manager.user
    days = (invitation.expires_at - timezone.now()) / timedelta(days=1)
    assert 6.99 < days <= 7
    for html in (response.content.decode(), client.get(URL).content.decode()):
        assert f'value="http://testserver{path(invitation)}"' in html


def test_a_link_may_be_for_any_number_of_people(project: Project, manager: Member) -> None:
    sign_in(manager).post(URL, FORM | {"people": "any", "days": "30"})
    assert Invitation.objects.get().uses_left is None


@pytest.mark.parametrize(
    ("field", "value"), [("role", "king"), ("people", "two"), ("days", "365"), ("days", "x")]
)
def test_a_bad_link_is_refused_in_words(manager: Member, field: str, value: str) -> None:
    response = sign_in(manager).post(URL, FORM | {field: value})
    assert response.status_code == 422
    assert "not one of the available choices" in response.content.decode()
    assert not Invitation.objects.exists()


def test_a_manager_revokes_a_link(project: Project, manager: Member) -> None:
    invitation = make(project)
    client = sign_in(manager)
    response = client.post(f"{URL}{invitation.pk}/revoke/", follow=True)
    html = response.content.decode()
    assert "The link is revoked." in html
    assert "This invitation was revoked." in html
    assert path(invitation) not in html
    assert Client().get(path(invitation)).status_code == 410


def test_links_are_the_managers_alone(
    project: Project, manager: Member, reviewer: Member, labeller: Member, outsider: User
) -> None:
    invitation = make(project)
    revoke = f"{URL}{invitation.pk}/revoke/"
    for person, status in ((reviewer, 403), (labeller, 403), (outsider, 404)):
        for method, url in (("get", URL), ("post", URL), ("post", revoke)):
            assert getattr(sign_in(person), method)(url, FORM).status_code == status
    for url in (URL, revoke):
        assert Client().post(url, FORM)["Location"] == f"/sign-in/?next={url}"
    assert sign_in(manager).get(revoke).status_code == 405
    assert sign_in(manager).put(URL).status_code == 405
    invitation.refresh_from_db()
    assert invitation.revoked_at is None
    assert Invitation.objects.count() == 1


def test_only_links_of_the_project_are_revoked(project: Project, manager: Member) -> None:
    elsewhere = make(Project.objects.create(name="Attic", slug="attic"))
    for pk in (elsewhere.pk, 9_999_999):
        assert sign_in(manager).post(f"{URL}{pk}/revoke/").status_code == 404
    elsewhere.refresh_from_db()
    assert elsewhere.revoked_at is None


@pytest.mark.parametrize("many", [1, 30])
def test_the_list_makes_the_same_queries_for_many_links(
    project: Project, manager: Member, many: int
) -> None:
    for _ in range(many):
        Invitation.objects.create(
            project=project, created_by=manager.user, expires_at=timezone.now()
        )
    client = sign_in(manager)
    with CaptureQueriesContext(connection) as queries:
        client.get(URL)
    assert len(queries) == 5


# Joining


def test_a_new_person_makes_an_account_and_is_in(project: Project) -> None:
    invitation = make(project, Role.REVIEWER, single=True)
    client = Client()
    assert "Kitchen" in client.get(path(invitation)).content.decode()
    response = client.post(path(invitation), ACCOUNT, follow=True)
    assert response.redirect_chain == [("/projects/kitchen/", 302)]
    assert "You have joined Kitchen as a reviewer." in response.content.decode()
    user = get_user(client)  # type: ignore[arg-type]
    assert user.get_username() == "newcomer"
    assert not user.is_staff
    assert not user.is_superuser
    assert role_of(accounts().get(), project) == "reviewer"
    assert Client().login(username="newcomer", password=ACCOUNT["password1"])
    invitation.refresh_from_db()
    assert (invitation.used, invitation.uses_left) == (1, 0)


def test_who_is_signed_in_joins_by_one_button(project: Project, outsider: User) -> None:
    invitation = make(project)
    client = sign_in(outsider)
    html = client.get(path(invitation)).content.decode()
    assert "Join as <bdi>outsider</bdi>" in html
    assert 'type="password"' not in html
    assert role_of(outsider, project) is None  # looking is not joining
    assert client.post(path(invitation))["Location"] == "/projects/kitchen/"
    assert role_of(outsider, project) == "labeller"


def test_who_has_an_account_signs_in_and_comes_back(project: Project, outsider: User) -> None:
    invitation = make(project)
    sign_in_url = f"/sign-in/?next={path(invitation)}"
    assert sign_in_url in Client().get(path(invitation)).content.decode()
    data = {"username": "outsider", "password": PASSWORD, "next": path(invitation)}
    assert Client().post(sign_in_url, data)["Location"] == path(invitation)


@pytest.mark.parametrize(
    ("posted", "message"),
    [
        ({"username": "outsider"}, "name can’t be used"),
        ({"username": "OUTSIDER"}, "name can’t be used"),
        ({"username": "оutsіdеr"}, "name can’t be used"),  # with three Cyrillic letters
        ({"username": "two words"}, "Enter a valid username"),
        ({"username": ""}, "required"),
        ({"password1": "12345678", "password2": "12345678"}, "entirely numeric"),
        ({"password1": "newcomer1", "password2": "newcomer1"}, "too similar to the username"),
        ({"password2": "another"}, "match"),
    ],
)
def test_a_bad_account_is_refused_in_words(
    project: Project, outsider: User, posted: dict[str, str], message: str
) -> None:
    invitation = make(project, single=True)
    response = Client().post(path(invitation), ACCOUNT | posted)
    assert response.status_code == 422
    assert message in response.content.decode()
    assert accounts().count() == 1
    invitation.refresh_from_db()
    assert invitation.uses_left == 1


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"revoked_at": timezone.now()}, "This invitation was revoked."),
        ({"expires_at": timezone.now()}, "This invitation has expired."),
        ({"uses_left": 0}, "This invitation was for one person and has been used."),
    ],
)
def test_a_link_that_is_over_says_why(
    project: Project, outsider: User, how: dict[str, Any], message: str
) -> None:
    invitation = make(project)
    end(invitation, **how)
    for client, posted in ((Client(), ACCOUNT), (sign_in(outsider), {})):
        for response in (client.get(path(invitation)), client.post(path(invitation), posted)):
            assert response.status_code == 410
            html = response.content.decode()
            assert f"{message} Ask the person who sent it to you for a new one." in html
            assert "Kitchen" not in html
    assert accounts().count() == 1
    assert not project.members.exists()


def test_a_link_that_is_over_does_not_tell_which_names_are_taken(
    project: Project, outsider: User
) -> None:
    invitation = make(project)
    invitations.revoke(invitation)
    posted = ACCOUNT | {"username": "outsider"}
    assert "already exists" not in Client().post(path(invitation), posted).content.decode()


@pytest.mark.parametrize("forged", ["{pk}.AAAA", "{pk}", "999.{signature}", "x", "{pk}.{other}"])
def test_a_forged_link_is_no_link(project: Project, forged: str) -> None:
    invitation, other = make(project), make(project)
    signature = invitations.token(invitation).partition(".")[2]
    theirs = invitations.token(other).partition(".")[2]
    token = forged.format(pk=invitation.pk, signature=signature, other=theirs)
    for response in (Client().get(f"/join/{token}/"), Client().post(f"/join/{token}/", ACCOUNT)):
        assert response.status_code == 404
        assert "This invitation link isn’t valid." in response.content.decode()
    assert not accounts().exists()


def test_the_page_of_a_link_takes_no_other_method(project: Project) -> None:
    assert Client().put(path(make(project))).status_code == 405


def test_the_page_of_a_link_tells_the_projects_name_and_the_role_alone(
    project: Project, manager: Member
) -> None:
    Project.objects.update(name="The <b>name</b>", guidelines="Secret guidelines.", slug="slug-x")
    invitation = make(project, Role.MANAGER)
    end(invitation, created_by=manager.user)
    response = Client().get(path(invitation))
    html = response.content.decode()
    assert "The &lt;b&gt;name&lt;/b&gt;" in html
    assert "<strong>manager</strong>" in html
    for secret in ("Secret guidelines", "slug-x", "<bdi>manager", f"{invitation.expires_at:%Y}"):
        assert secret not in html
    assert response["Referrer-Policy"] == "same-origin"
    assert "no-store" in response["Cache-Control"]


def test_joining_twice_lands_in_the_project_and_uses_the_link_once(
    project: Project, outsider: User
) -> None:
    invitation = make(project, single=True)
    client = sign_in(outsider)
    for _ in range(2):
        assert client.post(path(invitation))["Location"] == "/projects/kitchen/"
    assert client.get(path(invitation))["Location"] == "/projects/kitchen/"
    invitation.refresh_from_db()
    assert (invitation.used, project.members.count()) == (1, 1)


def test_a_second_click_on_the_new_account_leads_to_signing_in_and_into_the_project(
    project: Project,
) -> None:
    """With scripts the page sends a form only once."""
    invitation = make(project)
    assert Client().post(path(invitation), ACCOUNT)["Location"] == "/projects/kitchen/"
    client = Client()
    second = client.post(path(invitation), ACCOUNT)
    assert second.status_code == 422
    sign_in_url = f"/sign-in/?next={path(invitation)}"
    assert sign_in_url in second.content.decode()
    data = {"username": ACCOUNT["username"], "password": ACCOUNT["password1"]}
    landed = client.post(sign_in_url, data, follow=True)
    assert landed.redirect_chain[-1] == ("/projects/kitchen/", 302)
    assert (accounts().count(), project.members.count()) == (1, 1)


def test_the_page_of_a_link_checks_no_password(project: Project, outsider: User) -> None:
    """An account is signed in to on the page for that, where guesses are counted."""
    invitation = make(project)
    for password in ("wrong", PASSWORD):
        posted = {"username": "outsider", "password1": password, "password2": password}
        client = Client()
        assert client.post(path(invitation), posted).status_code == 422
        assert not client.session.keys()
    assert role_of(outsider, project) is None


def test_a_name_is_looked_for_only_if_an_account_would_be_made(
    project: Project, outsider: User
) -> None:
    """Otherwise the names of others could be found out without leaving an account each time."""
    invitation = make(project)
    mistaken = ACCOUNT | {"password2": "another"}
    pages = [
        Client().post(path(invitation), mistaken | {"username": name}).content.decode()
        for name in ("outsider", "nobody-has")
    ]
    varying = r'value="[^"]*"|token": "[^"]*"'
    taken, free = (re.sub(varying, "", page) for page in pages)
    assert taken == free


def test_a_removed_member_comes_back_in_the_role_of_the_link(project: Project) -> None:
    join(project, "boss", Role.MANAGER)
    gone = join(project, "gone", Role.MANAGER)
    members.remove(member=gone)
    client = sign_in(gone)
    assert client.get("/projects/kitchen/").status_code == 404
    client.post(path(make(project)))
    assert client.get("/projects/kitchen/").status_code == 200
    gone.refresh_from_db()
    assert gone.role == "labeller"  # a public link makes nobody a manager again


def test_a_lower_role_never_takes_a_higher_one_away(project: Project, reviewer: Member) -> None:
    lower, higher = make(project, Role.LABELLER), make(project, Role.MANAGER)
    client = sign_in(reviewer)
    client.post(path(lower))
    reviewer.refresh_from_db()
    assert reviewer.role == "reviewer"
    assert "Join as" in client.get(path(higher)).content.decode()
    client.post(path(higher))
    reviewer.refresh_from_db()
    assert reviewer.role == "manager"
    lower.refresh_from_db()
    higher.refresh_from_db()
    assert (lower.used, higher.used) == (0, 1)


def test_a_name_that_imported_rankings_have_gets_a_number(project: Project) -> None:
    Member.objects.create(project=project, name="newcomer")
    Client().post(path(make(project)), ACCOUNT)
    assert project.members.get(user__username="newcomer").name == "newcomer (2)"


def test_a_link_of_another_row_with_the_same_number_does_not_work(project: Project) -> None:
    """After a restored backup the number may be given to another invitation."""
    invitation = make(project)
    link = path(invitation)
    end(invitation, created_at=timezone.now() - timedelta(days=1))
    assert Client().get(link).status_code == 404


@pytest.mark.django_db(transaction=True)
def test_of_many_who_use_a_link_for_one_at_once_one_joins(project: Project) -> None:
    users = [User.objects.create_user(f"p{i}") for i in range(6)]
    invitation = make(project, single=True)
    failures = in_parallel(
        *[
            lambda user=user: invitations.accept(
                invitation=Invitation.objects.get(pk=invitation.pk), user=user
            )
            for user in users
        ]
    )
    assert [type(failure) for failure in failures] == [invitations.InvitationOverError] * 5
    invitation.refresh_from_db()
    assert (invitation.used, invitation.uses_left, project.members.count()) == (1, 0, 1)


@pytest.mark.django_db(transaction=True)
def test_one_person_who_joins_twice_at_once_is_in_once(project: Project, outsider: User) -> None:
    invitation = make(project)
    jobs = [lambda: invitations.accept(invitation=invitation, user=outsider)] * 4
    assert in_parallel(*jobs) == []
    invitation.refresh_from_db()
    assert (invitation.used, project.members.count()) == (1, 1)


@pytest.mark.django_db(transaction=True)
def test_accounts_of_one_name_made_at_once_are_one(project: Project) -> None:
    invitation = make(project)
    jobs = [
        lambda: invitations.accept_as_new(invitation=invitation, account=User(username="twin"))
    ] * 3
    failures = in_parallel(*jobs)
    assert [type(failure) for failure in failures] == [invitations.NameTakenError] * 2
    assert (accounts().count(), project.members.count()) == (1, 1)


# A link is worth what its maker is now
