"""Invitations: links by which people join a project in a role.

A link is signed and not stored, so it can be shown again, and nobody can make one who does not hold
the secret key. How long it works, and for how many people, stands in its row.
"""

import re
from datetime import timedelta

from django.core.signing import BadSignature, Signer
from django.db import IntegrityError, transaction
from django.db.models import F, Q
from django.utils import timezone

from labelapp.models import Invitation, Member, Project, Role, User
from labelapp.projects.members import free_name, rises, take_turns


class InvitationOverError(Exception):
    """The link works no longer; the message says why and what to do."""


class NameTakenError(Exception):
    """Somebody else has just made an account of this name."""


def make(
    *, project: Project, role: str, lasts: timedelta, single: bool, user: User | None
) -> Invitation:
    """A new link, for one person or for any number of them."""
    if role not in Role.values:
        raise ValueError(f"{role!r} is no role")
    return Invitation.objects.create(
        project=project,
        role=role,
        created_by=user,
        expires_at=timezone.now() + lasts,
        uses_left=1 if single else None,
    )


def revoke(invitation: Invitation) -> None:
    """End a link now. Who has joined by it stays."""
    Invitation.objects.filter(pk=invitation.pk, revoked_at=None).update(revoked_at=timezone.now())


def token(invitation: Invitation) -> str:
    """What stands in the link: the row's number, signed."""
    return signer(invitation).sign(str(invitation.pk))


def signer(invitation: Invitation) -> Signer:
    # Of this very row: after a restored backup another may be given the same number.
    salt = f"labelapp.invitations {invitation.created_at.isoformat()}"
    return Signer(sep=".", salt=salt)


def find(token: str) -> Invitation:
    """The invitation of a link. Raises Invitation.DoesNotExist for one that was not made here."""
    number = token.partition(".")[0]
    pk = int(number) if re.fullmatch(r"[0-9]{1,18}", number) else 0
    invitation = Invitation.objects.select_related("project").get(pk=pk)
    try:
        signer(invitation).unsign(token)
    except BadSignature:
        raise Invitation.DoesNotExist from None
    return invitation


def why_over(invitation: Invitation) -> str:
    """Why the link works no longer, in a sentence; empty while it works."""
    if invitation.revoked_at is not None:
        return "This invitation was withdrawn."
    if invitation.expires_at <= timezone.now():
        return "This invitation has expired."
    if invitation.uses_left == 0:
        return "This invitation was for one person, and has been used."
    return ""


def check(invitation: Invitation) -> None:
    """Raises InvitationOverError where the link works no longer."""
    if reason := why_over(invitation):
        raise InvitationOverError(f"{reason} Ask the person who sent it to you for a new one.")


def is_in(invitation: Invitation, user: User) -> bool:
    """Whether the invitation offers this person nothing that they do not have."""
    member = Member.objects.filter(project=invitation.project, user=user, is_active=True).first()
    return member is not None and not rises(member.role, invitation.role)


@transaction.atomic
def accept(*, invitation: Invitation, user: User) -> Member:
    """Take the person into the project; who is in it already, in this role or above, stays so.

    Whoever was removed comes back in the invitation's role: what they were before is the
    managers' to give. Raises InvitationOverError where the link works no longer.
    """
    project = invitation.project
    # The second of two simultaneous requests of one person waits here, and then sees the first.
    take_turns(project)
    member = Member.objects.filter(project=project, user=user).first()
    if member is not None and member.is_active and not rises(member.role, invitation.role):
        return member
    use(invitation)
    if member is None:
        name = free_name(project, user.username)
        return Member.objects.create(project=project, user=user, name=name, role=invitation.role)
    member.is_active, member.role = True, invitation.role
    member.save(update_fields=["is_active", "role"])
    return member


def use(invitation: Invitation) -> None:
    """Count one more person. The conditional update lets only one have the last use.

    Raises InvitationOverError where the link works no longer.
    """
    working = Invitation.objects.filter(
        Q(uses_left=None) | Q(uses_left__gt=0),
        pk=invitation.pk,
        revoked_at=None,
        expires_at__gt=timezone.now(),
    )
    used = working.update(used=F("used") + 1, uses_left=F("uses_left") - 1)
    if not used:
        invitation.refresh_from_db()
        check(invitation)
        raise InvitationOverError("This invitation works no longer.")  # it ended this instant


def accept_as_new(*, invitation: Invitation, account: User) -> Member:
    """Make the account and take it into the project, or neither.

    Raises InvitationOverError where the link works no longer, NameTakenError where another account
    of this name came first.
    """
    with transaction.atomic():
        try:
            with transaction.atomic():
                account.save()
        except IntegrityError as error:
            raise NameTakenError from error
        return accept(invitation=invitation, user=account)
