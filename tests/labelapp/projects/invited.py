"""Invitation links, as tests make and use them."""

from datetime import timedelta
from typing import Any

from django.db.models import QuerySet

from labelapp.models import Invitation, Member, Project, Role, User
from labelapp.projects import invitations

URL = "/projects/kitchen/invitations/"
FORM = {"role": "labeller", "people": "one", "days": "7"}
ACCOUNT = {
    "username": "newcomer",
    "password1": "a quite long passphrase",
    "password2": "a quite long passphrase",
}


def make(project: Project, role: Role = Role.LABELLER, *, single: bool = False) -> Invitation:
    lasts = timedelta(days=7)
    inviter, _ = User.objects.get_or_create(username="inviter", is_superuser=True)
    return invitations.create(project=project, role=role, lasts=lasts, single=single, user=inviter)


def accounts() -> QuerySet[User]:
    """The accounts beside that of who makes the links of these tests."""
    return User.objects.exclude(username="inviter")


def path(invitation: Invitation) -> str:
    return f"/join/{invitations.token(invitation)}/"


def end(invitation: Invitation, **how: Any) -> None:
    Invitation.objects.filter(pk=invitation.pk).update(**how)


def role_of(user: User, project: Project) -> str | None:
    member = Member.objects.filter(project=project, user=user, is_active=True).first()
    return member.role if member else None
