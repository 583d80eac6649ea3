"""The members of a project: change their roles, remove them and bring them back.

A project must not lose its last manager, so changes of membership run one at a time: each locks
the project first, then the member, whose assignments it may change.
"""

from django.db import transaction
from django.db.models import Count, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from labelapp.labelling.assignments import lock_member, release_slot
from labelapp.models import Invitation, Member, Project, Role, User
from labelapp.projects.assignees import release

# From the lowest role to the highest. Each may do everything that the lower ones may.
ROLE_ORDER = [Role.LABELLER, Role.REVIEWER, Role.MANAGER]

MADE_MEANWHILE = {
    Role.LABELLER: gettext_lazy(
        "Somebody else has made %(name)s a labeller meanwhile. Change the role again if you still "
        "want to."
    ),
    Role.REVIEWER: gettext_lazy(
        "Somebody else has made %(name)s a reviewer meanwhile. Change the role again if you still "
        "want to."
    ),
    Role.MANAGER: gettext_lazy(
        "Somebody else has made %(name)s a manager meanwhile. Change the role again if you still "
        "want to."
    ),
}

# The groups in which a page lists members.
ACTIVE, REMOVED, IMPORTED = "active", "removed", "imported"
KINDS = {
    ACTIVE: Q(user__isnull=False, is_active=True),
    REMOVED: Q(user__isnull=False, is_active=False),
    IMPORTED: Q(user=None),  # names in imported rankings, without a login
}


class ChangedMeanwhileError(Exception):
    """Somebody else has changed the member; the message says to what."""


class LastManagerError(Exception):
    """The project would have no manager left; the message says what to do."""


def of_kind(project: Project, kind: str) -> QuerySet[Member]:
    """Return the members of one kind, ordered by name."""
    return project.members.filter(KINDS[kind]).select_related("user").order_by("name")


def search(members: QuerySet[Member], text: str) -> QuerySet[Member]:
    """Return the members whose name, username or e-mail address contains a text."""
    if not text:
        return members
    return members.filter(
        Q(name__icontains=text) | Q(user__username__icontains=text) | Q(user__email__icontains=text)
    )


def count_kinds(project: Project) -> dict[str, int]:
    """Return the number of members of each kind."""
    return project.members.aggregate(
        **{kind: Count("pk", filter=which) for kind, which in KINDS.items()}
    )


def lock_members(project: Project) -> None:
    """Lock the project against other changes of membership. Call inside a transaction."""
    Project.objects.select_for_update(no_key=True).get(pk=project.pk)


@transaction.atomic
def change_role(*, member: Member, role: str, instead_of: str | None = None) -> int:
    """Set the role, and return how many of the member's invitation links this revoked.

    Only a manager's links work. `instead_of` is the role that whoever changes it has seen.
    Raises ChangedMeanwhileError if it is another one now, and LastManagerError if the project would
    lose its last manager.
    """
    if role not in Role.values:
        raise ValueError(f"{role!r} is not a role")
    lock_members(member.project)
    member.refresh_from_db(fields=["role"])
    if instead_of is not None and member.role not in (instead_of, role):
        raise ChangedMeanwhileError(MADE_MEANWHILE[Role(member.role)] % {"name": member.name})
    if role != Role.MANAGER:
        keep_a_manager(member)
    member.role = role
    member.save(update_fields=["role"])
    return 0 if role == Role.MANAGER else revoke_links(member)


@transaction.atomic
def remove(*, member: Member) -> int:
    """Close the project to a member, and return how many of their invitation links this revoked.

    Their rankings stay; their open assignments go to others, and so does what is assigned to them.
    Raises LastManagerError if the project would lose its last manager.
    """
    lock_members(member.project)
    keep_a_manager(member)
    lock_member(member)
    member.is_active, member.removed_at = False, timezone.now()
    member.save(update_fields=["is_active", "removed_at"])
    held = member.assignments.open().filter(slot__isnull=False).order_by("prompt_id")
    for assignment in held.locked():
        release_slot(assignment)
    release(member)
    return revoke_links(member)


@transaction.atomic
def bring_back(*, member: Member) -> None:
    """Let a removed member open the project again, in their earlier role."""
    lock_members(member.project)
    member.is_active, member.removed_at = True, None
    member.save(update_fields=["is_active", "removed_at"])


@transaction.atomic
def join_as_manager(*, project: Project, user: User) -> Member:
    """Make a superuser a manager of a project, and bring them back if they were removed.

    Superusers manage every project anyhow; rankings and comments need a member.
    """
    lock_members(project)
    return enter(project, user, project.members.filter(user=user).first(), Role.MANAGER)


def enter(project: Project, user: User, member: Member | None, role: Role) -> Member:
    """Make a user a member with a role, or bring them back with it. Locks nothing."""
    if member is None:
        name = free_name(project, user.username)
        return Member.objects.create(project=project, user=user, name=name, role=role)
    member.is_active, member.removed_at, member.role = True, None, role
    member.save(update_fields=["is_active", "removed_at", "role"])
    return member


def working_links(project: Project) -> QuerySet[Invitation]:
    """Return the invitation links of a project that work now, the newest first."""
    return Invitation.objects.working().filter(project=project)


def revoke_links(member: Member) -> int:
    """Revoke the invitation links that a member has made, and return how many there were.

    The caller holds the lock of lock_members, as accepting an invitation does.
    """
    made = Invitation.objects.filter(
        project=member.project, created_by=member.user_id, revoked_at=None
    )
    unused = made.exclude(uses_left=0).filter(expires_at__gt=timezone.now())
    number = unused.count()
    made.update(revoked_at=timezone.now())
    return number


def keep_a_manager(member: Member) -> None:
    """Raise LastManagerError if `member` is the only manager who can sign in.

    The caller holds the lock of lock_members.
    """
    managers = Member.objects.filter(
        project=member.project, role=Role.MANAGER, is_active=True, user__is_active=True
    )
    if set(managers.values_list("pk", flat=True)) == {member.pk}:
        raise LastManagerError(
            _("%(name)s is the only manager of this project. Make someone else a manager first.")
            % {"name": member.name}
        )


def is_higher(role: str, than: str) -> bool:
    """Return whether `role` may do more than the role `than`."""
    return ROLE_ORDER.index(Role(role)) > ROLE_ORDER.index(Role(than))


def free_name(project: Project, name: str) -> str:
    """Return `name`, or the first of “name (2)”, “name (3)”, ... that is free in the project."""
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
