"""The people of a project: their roles, who is removed, who comes back.

A project that has a manager keeps one. Changes of who is in a project therefore take turns: each
locks the project first, then the member, as everybody does who writes to a member's tasks.
"""

from django.db import transaction
from django.db.models import Count, Q, QuerySet

from labelapp.labelling.assignments import lock_member, release_slot
from labelapp.models import Member, Project, Role

# Each role may do what those before it may.
RISING = [Role.LABELLER, Role.REVIEWER, Role.MANAGER]

# Kinds of members, as a page lists them.
ACTIVE, REMOVED, IMPORTED = "active", "removed", "imported"
KINDS = {
    ACTIVE: Q(user__isnull=False, is_active=True),
    REMOVED: Q(user__isnull=False, is_active=False),
    IMPORTED: Q(user=None),  # names that came with rankings; nobody signs in under them
}


class LastManagerError(Exception):
    """The project would be left without a manager; the message says what to do."""


def of_kind(project: Project, kind: str) -> QuerySet[Member]:
    """The members of one kind, by name."""
    return project.members.filter(KINDS[kind]).select_related("user").order_by("name")


def count_kinds(project: Project) -> dict[str, int]:
    """How many members of each kind there are."""
    return project.members.aggregate(
        **{kind: Count("pk", filter=which) for kind, which in KINDS.items()}
    )


def take_turns(project: Project) -> None:
    """Wait until nobody else changes who is in the project. Call inside a transaction."""
    Project.objects.select_for_update(no_key=True).get(pk=project.pk)


@transaction.atomic
def change_role(*, member: Member, role: str) -> None:
    """Raises LastManagerError where the project would lose its last manager."""
    if role not in Role.values:
        raise ValueError(f"{role!r} is no role")
    take_turns(member.project)
    if role != Role.MANAGER:
        keep_a_manager(member)
    member.role = role
    member.save(update_fields=["role"])


@transaction.atomic
def remove(*, member: Member) -> None:
    """Close the project to a member. Their rankings stay; what they had begun goes to others.

    Raises LastManagerError where the project would lose its last manager.
    """
    take_turns(member.project)
    keep_a_manager(member)
    lock_member(member)
    member.is_active = False
    member.save(update_fields=["is_active"])
    held = member.assignments.open().filter(slot__isnull=False).order_by("prompt_id")
    for assignment in held.locked():
        release_slot(assignment)


@transaction.atomic
def bring_back(*, member: Member) -> None:
    """Open the project to a removed member again, in the role that they had."""
    take_turns(member.project)
    member.is_active = True
    member.save(update_fields=["is_active"])


def keep_a_manager(member: Member) -> None:
    """Raises LastManagerError if this is the only manager who can sign in. The turn is ours."""
    managers = Member.objects.filter(
        project=member.project, role=Role.MANAGER, is_active=True, user__is_active=True
    )
    if set(managers.values_list("pk", flat=True)) == {member.pk}:
        raise LastManagerError(
            f"{member.name} is the only manager of this project. Make somebody else a manager "
            "first."
        )


def rises(before: str, after: str) -> bool:
    """Whether the second role may do more than the first."""
    return RISING.index(Role(after)) > RISING.index(Role(before))


def free_name(project: Project, name: str) -> str:
    """The name, or the first of “name (2)”, “name (3)”, ... that nobody in the project has."""
    longest = Member._meta.get_field("name").max_length or 0
    taken = set(
        project.members.filter(name__startswith=name[: longest - 8]).values_list("name", flat=True)
    )
    number, free = 1, name[:longest]
    while free in taken:
        number += 1
        ending = f" ({number})"
        free = name[: longest - len(ending)] + ending
    return free
