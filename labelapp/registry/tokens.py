"""Tokens for the reward service: shown once, and stored as a hash."""

import hashlib
import logging
import secrets

from django.utils import timezone

from labelapp.models import Project, ServiceToken, User

logger = logging.getLogger("labelapp.audit")

PREFIX = "podium_"
"""Beginning of every token, by which a scanner for leaked secrets finds it."""


def create(project: Project, name: str, user: User | None = None) -> tuple[ServiceToken, str]:
    """Make a token of a project, and return it with the text that nobody can see again."""
    text = PREFIX + secrets.token_urlsafe(32)
    token = ServiceToken.objects.create(
        project=project,
        name=name,
        # Of 256 random bits: a slow hash would protect nothing more.
        sha256=hashlib.sha256(text.encode()).hexdigest(),
        created_by=user,
    )
    logger.info("%s created the token %s of %s", user or "a command", token.pk, project.slug)
    return token, text


def revoke(token: ServiceToken, user: User | None = None) -> None:
    """Close a token for good. The service refuses it within seconds."""
    ServiceToken.objects.working().filter(pk=token.pk).update(revoked_at=timezone.now())
    logger.info("%s revoked the token %s of %s", user or "a command", token.pk, token.project.slug)
