"""Links by which people set a new password who have forgotten theirs; managers make them.

Whoever has such a link can sign in as the person, so a manager may make one only for people who can
open nothing that the manager does not manage.
"""

import logging
from typing import Any

from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.urls import reverse
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode
from django.utils.translation import gettext as _

from labelapp.models import Member, Role, User
from labelapp.web.signin import failures_of

logger = logging.getLogger("labelapp.audit")


class CannotResetError(Exception):
    """The manager may not make a link for this person; the message says why."""


class ResetTokens(PasswordResetTokenGenerator):
    """Tokens that work once, until settings.PASSWORD_RESET_TIMEOUT is over.

    Besides the password and the last sign-in, a token depends on what the person can open: with
    another role, or in another project, the link that was made before no longer works.
    """

    key_salt = "labelapp.projects.password_reset"

    def _make_hash_value(self, user: Any, timestamp: int) -> str:
        rights = Member.objects.filter(user_id=user.pk).order_by("pk")
        roles = list(rights.values_list("project", "role", "is_active"))
        flags = [getattr(user, flag) for flag in ("is_active", "is_staff", "is_superuser")]
        return f"{super()._make_hash_value(user, timestamp)}{roles}{flags}"


tokens = ResetTokens()


def create_path(*, manager: Member, person: Member) -> str:
    """Return the path of a link by which `person` sets a new password, without asking for the old.

    Raises CannotResetError.
    """
    user = person.user
    if user is None or not user.is_active or not person.is_active:
        raise CannotResetError(
            _("%(name)s cannot sign in to this project.") % {"name": person.name}
        )
    check(manager=manager, user=user)
    logger.info("%s made a password link for %s", manager.user, user)
    uid = urlsafe_base64_encode(force_bytes(user.pk))
    return reverse("reset_password", args=[uid, tokens.make_token(user)])


def check(*, manager: Member, user: User) -> None:
    """Raise CannotResetError if the person can open more than the manager manages."""
    if user.pk == manager.user_id:
        raise CannotResetError(_("Change your own password on the page of your account."))
    if user.is_superuser or user.is_staff or has_permissions(user):
        raise CannotResetError(
            _(
                "%(name)s is an administrator. Only another administrator can set a new password "
                "for them, on the administration pages."
            )
            % {"name": user.username}
        )
    if manager.user is not None and manager.user.is_superuser:
        return
    managed = Member.objects.filter(user=manager.user, role=Role.MANAGER, is_active=True)
    # Those they were removed from count: they can be brought back, and their data is still theirs.
    others = Member.objects.filter(user=user).exclude(project__in=managed.values("project"))
    if others.exists():
        raise CannotResetError(
            _(
                "%(name)s is also in a project that you don’t manage. Ask an administrator to set "
                "a new password for them."
            )
            % {"name": user.username}
        )


def has_permissions(user: User) -> bool:
    """Return whether an administrator has given the user rights of their own, or by a group."""
    return user.user_permissions.exists() or user.groups.exists()


def note_used(user: User) -> None:
    """Let the person sign in at once: attempts with the forgotten password no longer count."""
    failures_of(user.username).delete()
    logger.info("%s has set a new password by a link", user)
