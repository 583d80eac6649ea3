"""The admin site: what is changed there follows the same rules as in the pages."""

from datetime import timedelta

import pytest

from labelapp.models import Member, Project, Role, User
from labelapp.projects import invitations
from tests.conftest import PASSWORD, join, sign_in


@pytest.fixture
def root(db: None) -> User:
    return User.objects.create_superuser("root", password=PASSWORD)


def form(member: Member, **changed: object) -> dict[str, object]:
    """What the admin's form of a member posts."""
    fields = {"project": member.project_id, "user": member.user_id, "name": member.name}
    return fields | {"role": member.role, "is_active": "on"} | changed


@pytest.mark.parametrize("changed", [{"role": "labeller"}, {"is_active": ""}])
def test_a_manager_who_is_demoted_or_removed_there_loses_their_links(
    project: Project, manager: Member, root: User, changed: dict[str, object]
) -> None:
    maker = join(project, "maker", Role.MANAGER)
    assert maker.user is not None
    link = invitations.create(
        project=project, role="manager", lasts=timedelta(days=1), single=False, user=maker.user
    )
    url = f"/admin/labelapp/member/{maker.pk}/change/"
    assert sign_in(root).post(url, form(maker, name="renamed", **changed)).status_code == 302
    link.refresh_from_db()
    assert link.revoked_at is not None
    maker.refresh_from_db()
    assert maker.name == "renamed"
    assert (maker.removed_at is None) == maker.is_active


def test_a_project_keeps_its_last_manager_there_too(manager: Member, root: User) -> None:
    url = f"/admin/labelapp/member/{manager.pk}/change/"
    page = sign_in(root).post(url, form(manager, role="labeller"), follow=True).content.decode()
    assert "is the only manager of this project" in page
    manager.refresh_from_db()
    assert manager.role == Role.MANAGER
