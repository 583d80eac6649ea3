"""Somebody with rows of every kind."""

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import Group
from django.contrib.contenttypes.models import ContentType
from django.test import Client

from labelapp.models import Project, Role, User
from tests.conftest import PASSWORD, join, sign_in
from tests.labelapp.projects.everything import NAME, fill


@pytest.fixture
def zebulon(project: Project, root: User) -> User:
    """Return somebody with rows of every kind, in two projects that others manage as well."""
    user = User.objects.create_user(
        NAME, f"{NAME}@example.org", PASSWORD, first_name=NAME, last_name=f"Mc{NAME}"
    )
    attic = Project.objects.create(name="Attic", slug="attic")
    join(project, "manager", Role.MANAGER)
    join(attic, "other manager", Role.MANAGER)
    members = [fill(project, user), fill(attic, user, name=f"{NAME} (2)")]
    user.groups.add(Group.objects.create(name="Staff"))
    kinds = ContentType.objects
    kinds.clear_cache()  # a test with transactions of its own has emptied the table
    user.user_permissions.create(name="x", codename="x", content_type=kinds.get_for_model(User))
    for row in (user, *members):
        for by in (root, user):
            LogEntry.objects.create(
                user=by,
                content_type=kinds.get_for_model(row),
                object_id=row.pk,
                object_repr=str(row),
                action_flag=CHANGE,
            )
    Client().post("/sign-in/", {"username": NAME, "password": "wrong"})
    sign_in(user)
    return user
