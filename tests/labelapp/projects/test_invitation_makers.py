"""A link is worth what its maker is now."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from labelapp.models import Invitation, Member, Project, Role, User
from labelapp.projects import invitations, members
from tests.conftest import join, sign_in
from tests.labelapp.parallel import in_parallel
from tests.labelapp.projects.invited import ACCOUNT, URL, end, make, path

LEAVING = {
    "removed": lambda maker: members.remove(member=maker),
    "made a reviewer": lambda maker: members.change_role(member=maker, role=Role.REVIEWER),
    "made a labeller": lambda maker: members.change_role(member=maker, role=Role.LABELLER),
}


def made_by(maker: Member, role: Role = Role.MANAGER) -> Invitation:
    assert maker.user is not None
    lasts = timedelta(days=30)
    return invitations.create(
        project=maker.project, role=role, lasts=lasts, single=False, user=maker.user
    )


@pytest.mark.parametrize("leave", LEAVING.values(), ids=LEAVING)
def test_who_manages_no_longer_cannot_let_anybody_in(
    project: Project, manager: Member, outsider: User, leave: Callable[[Member], int]
) -> None:
    maker = join(project, "maker", Role.MANAGER)
    links = [made_by(maker, role) for role in Role]
    assert leave(maker) == len(links)
    before = set(project.members.values_list("user", "role", "is_active"))
    for link in links:
        for client in (Client(), sign_in(outsider), sign_in(maker)):
            response = client.post(path(link), ACCOUNT)
            assert (response.status_code, client.get(path(link)).status_code) in {
                (410, 410),
                (302, 302),  # a role that the maker still has: nothing to join
            }
    assert set(project.members.values_list("user", "role", "is_active")) == before
    assert not User.objects.filter(username=ACCOUNT["username"]).exists()


@pytest.mark.parametrize("how", ["is_active", "is_superuser"])
def test_an_account_without_its_rights_lets_nobody_in(
    project: Project, outsider: User, how: str
) -> None:
    invitation = make(project)
    User.objects.filter(username="inviter").update(**{how: False})
    with pytest.raises(invitations.InvitationOverError, match="no longer manages the project"):
        invitations.accept(invitation=invitation, user=outsider)
    assert Client().get(path(invitation)).status_code == 410
    end(invitation, created_by=None)
    assert Client().get(path(invitation)).status_code == 410


def test_a_membership_that_was_changed_elsewhere_counts_as_well(
    project: Project, manager: Member, outsider: User
) -> None:
    """The link is refused by what its maker is, even if nothing has revoked it."""
    link = made_by(manager)
    Member.objects.filter(pk=manager.pk).update(role=Role.LABELLER)
    assert sign_in(outsider).post(path(link)).status_code == 410
    assert "no longer manages" in Client().get(path(link)).content.decode()
    Member.objects.filter(pk=manager.pk).update(role=Role.MANAGER)
    assert sign_in(outsider).post(path(link)).status_code == 302


def test_links_of_others_and_of_other_projects_stay(project: Project, manager: Member) -> None:
    attic = Project.objects.create(name="Attic", slug="attic")
    maker = join(project, "maker", Role.MANAGER)
    there = Member.objects.create(project=attic, user=maker.user, name="m", role=Role.MANAGER)
    others, elsewhere = made_by(manager), made_by(there)
    made_by(maker)
    assert members.remove(member=maker) == 1
    for link in (others, elsewhere):
        assert Client().get(path(link)).status_code == 200


def test_who_was_removed_does_not_come_back_by_an_older_link(project: Project) -> None:
    join(project, "boss", Role.MANAGER)
    older = make(project)
    gone = join(project, "gone", Role.LABELLER)
    members.remove(member=gone)
    client = sign_in(gone)
    for response in (client.get(path(older)), client.post(path(older))):
        assert response.status_code == 410
        assert "You were removed from this project" in response.content.decode()
    assert client.get("/projects/kitchen/").status_code == 404
    older.refresh_from_db()
    assert older.used == 0
    members.bring_back(member=gone)
    assert client.get("/projects/kitchen/").status_code == 200
    assert gone.removed_at is None


def test_who_was_removed_at_an_unknown_time_comes_back_by_no_link(
    project: Project, labeller: Member
) -> None:
    Member.objects.filter(pk=labeller.pk).update(is_active=False)
    assert sign_in(labeller).post(path(make(project))).status_code == 410


@pytest.mark.django_db(transaction=True)
def test_a_link_used_while_its_maker_is_removed_lets_in_before_or_not_at_all(
    project: Project,
) -> None:
    join(project, "boss", Role.MANAGER)
    for i in range(6):
        maker = join(project, f"maker {i}", Role.MANAGER)
        user = User.objects.create(username=f"{i}")
        link = made_by(maker)
        in_parallel(
            lambda maker=maker: members.remove(member=maker),
            lambda link=link, user=user: invitations.accept(
                invitation=Invitation.objects.get(pk=link.pk), user=user
            ),
        )
        link.refresh_from_db()
        assert link.used == project.members.filter(user=user).count()
        late = User.objects.create(username=f"late {i}")
        with pytest.raises(invitations.InvitationOverError):
            invitations.accept(invitation=invitations.find(invitations.token(link)), user=late)


def test_the_page_of_people_shows_whose_links_work_and_says_what_removing_did(
    project: Project, manager: Member
) -> None:
    maker = join(project, "maker", Role.MANAGER)
    made_by(maker)
    end(made_by(maker), expires_at=timezone.now())
    made_by(maker, Role.LABELLER)
    people = "/projects/kitchen/people/"
    client = sign_in(manager)
    html = " ".join(client.get(people).content.decode().split())
    assert html.count("Can still invite people with these") == 1
    assert "<li>Manager, for any number of people, until" in html
    assert html.count("<li>Labeller, for any number") == 1
    htmx = {"HTTP_HX_REQUEST": "true"}
    done = client.post(f"{people}{maker.pk}/role/", {"role": "reviewer"}, **htmx).content.decode()
    assert "The 2 invitation links they had made no longer work." in done
    assert "Can still invite" not in done
    assert "no longer manages" not in client.get(URL).content.decode()  # they are revoked
