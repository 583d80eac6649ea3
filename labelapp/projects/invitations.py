"""Invitations: links by which people join a project in a role.

A link is signed, not stored: it can be shown again, and nobody can forge one without the secret
key. The database holds when it expires and how often it can be used.
"""

from datetime import timedelta

from django.core.signing import BadSignature, Signer
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from labelapp.models import Invitation, Member, Project, Role, User
from labelapp.projects.members import enter, is_higher, lock_members
from labelapp.web.query import key_of


class InvitationOverError(Exception):
    """The link no longer works; the message says why and what to do."""


class NameTakenError(Exception):
    """Another account with this name has just been created."""


def create(
    *, project: Project, role: str, lasts: timedelta, single: bool, user: User
) -> Invitation:
    """Create a link that works for `lasts`, for a single person or for any number of people.

    It works only as long as `user` may invite people to the project.
    """
    if role not in Role.values:
        raise ValueError(f"{role!r} is not a role")
    return Invitation.objects.create(
        project=project,
        role=role,
        created_by=user,
        expires_at=timezone.now() + lasts,
        uses_left=1 if single else None,
    )


def revoke(invitation: Invitation) -> None:
    """Revoke a link. People who joined with it remain members."""
    Invitation.objects.filter(pk=invitation.pk, revoked_at=None).update(revoked_at=timezone.now())


def token(invitation: Invitation) -> str:
    """Return the signed primary key of `invitation`, for its link."""
    return signer(invitation).sign(str(invitation.pk))


def signer(invitation: Invitation) -> Signer:
    # The salt is unique to the row: after a restored backup, another may get the same key.
    salt = f"labelapp.invitations {invitation.created_at.isoformat()}"
    return Signer(sep=".", salt=salt)


def find(token: str) -> Invitation:
    """Return the invitation of a link. Raises Invitation.DoesNotExist for a forged link."""
    invitations = Invitation.objects.with_maker().select_related("project")
    invitation = invitations.get(pk=key_of(token.partition(".")[0]) or 0, project__deleted_at=None)
    try:
        signer(invitation).unsign(token)
    except BadSignature:
        raise Invitation.DoesNotExist from None
    return invitation


def reason_over(invitation: Invitation) -> str:
    """Return why the link no longer works, as a sentence, or "" while it works.

    The invitation is annotated by InvitationQuerySet.with_maker.
    """
    if invitation.revoked_at is not None:
        return _("This invitation was revoked.")
    if invitation.expires_at <= timezone.now():
        return _("This invitation has expired.")
    if invitation.uses_left == 0:
        return _("This invitation was for one person and has been used.")
    if invitation.project.is_archived:
        return _("The project is archived.")
    if not invitation.maker_manages:
        return _("The person who made this invitation no longer manages the project.")
    return ""


def check(invitation: Invitation) -> None:
    """Raise InvitationOverError if the link no longer works."""
    if reason := reason_over(invitation):
        advice = _("Ask the person who sent it to you for a new one.")
        raise InvitationOverError(f"{reason} {advice}")


def is_redundant(invitation: Invitation, user: User) -> bool:
    """Return whether `user` already has the role that the invitation offers, or a higher one."""
    member = Member.objects.filter(project=invitation.project, user=user, is_active=True).first()
    return member is not None and not is_higher(invitation.role, member.role)


@transaction.atomic
def accept(*, invitation: Invitation, user: User) -> Member:
    """Make `user` a member of the project, unless they already have this role or a higher one.

    A member who was removed returns only with a link that was made afterwards, and in its role,
    not in their earlier one, which only a manager can give back.
    Raises InvitationOverError if the link no longer works, or does not work for `user`.
    """
    project = invitation.project
    # The second of two simultaneous requests by one person waits here, then sees the first.
    lock_members(project)
    member = Member.objects.filter(project=project, user=user).first()
    if member is not None and member.is_active and not is_higher(invitation.role, member.role):
        return member
    check_not_removed(invitation, member)
    if project.is_archived:
        check(invitation)
    use(invitation)
    return enter(project, user, member, Role(invitation.role))


def check_not_removed(invitation: Invitation, member: Member | None) -> None:
    """Raise InvitationOverError if the member was removed after the link was made."""
    if member is None or member.is_active:
        return
    if member.removed_at is None or invitation.created_at <= member.removed_at:
        raise InvitationOverError(
            _(
                "You were removed from this project after this invitation was created. Ask a "
                "manager of the project to bring you back."
            )
        )


def check_for(invitation: Invitation, user: User) -> None:
    """Raise InvitationOverError if the link no longer works, or does not work for `user`."""
    check(invitation)
    member = Member.objects.filter(project=invitation.project, user=user).first()
    check_not_removed(invitation, member)


def use(invitation: Invitation) -> None:
    """Count one use. The conditional update lets only one person have the last one.

    Raises InvitationOverError if the link no longer works.
    """
    working = Invitation.objects.working().filter(pk=invitation.pk)
    used = working.update(used=F("used") + 1, uses_left=F("uses_left") - 1)
    if not used:
        check(Invitation.objects.with_maker().get(pk=invitation.pk))
        raise InvitationOverError(_("This invitation no longer works."))  # it ended this instant


def accept_as_new(*, invitation: Invitation, account: User) -> Member:
    """Create an account and make it a member of the project, or neither.

    Raises InvitationOverError if the link no longer works, and NameTakenError if another account
    has taken the name.
    """
    with transaction.atomic():
        try:
            with transaction.atomic():
                account.save()
        except IntegrityError as error:
            raise NameTakenError from error
        return accept(invitation=invitation, user=account)
