"""People whom a manager can add to a project without a link: they work together already."""

from django.db import transaction
from django.db.models import QuerySet

from labelapp.models import Member, Project, Role, User
from labelapp.projects.members import free_name, lock_members

MOST = 200  # offered on a page


def colleagues(user: User, project: Project) -> QuerySet[User]:
    """Return the people of the projects that `user` manages who are not in this one.

    For an administrator, everybody who can sign in. Others cannot find out who has an account.
    """
    people = User.objects.filter(is_active=True).exclude(memberships__project=project)
    if not user.is_superuser:
        managed = Member.objects.filter(
            user=user,
            role=Role.MANAGER,
            is_active=True,
            project__in=Project.objects.not_deleted(),
        )
        people = people.filter(
            memberships__project__in=managed.values("project"), memberships__is_active=True
        )
    return people.distinct().order_by("username")


@transaction.atomic
def add(*, project: Project, users: QuerySet[User], role: str) -> int:
    """Make people members of a project who are not in it; return how many."""
    lock_members(project)
    added = list(users.exclude(memberships__project=project))
    for user in added:
        name = free_name(project, user.username)
        Member.objects.create(project=project, user=user, name=name, role=role)
    return len(added)
