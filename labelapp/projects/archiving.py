"""Archive a project: hidden from lists and read-only, until somebody restores it.

What is in progress ends by itself, and the reward service goes on serving the champion.
"""

import logging

from django.utils import timezone

from labelapp.models import Project

logger = logging.getLogger("labelapp.audit")


def archive(project: Project, *, by: str) -> bool:
    """Archive a project. Return False if it is archived already."""
    open_one = Project.objects.open().filter(pk=project.pk)
    archived = open_one.update(archived_at=timezone.now())
    if archived:
        logger.info("%s archives the project %s (%s)", by, project.slug, project.pk)
    return bool(archived)


def restore(project: Project, *, by: str) -> bool:
    """Open an archived project again. Return False if it is open."""
    archived = Project.objects.filter(pk=project.pk, archived_at__isnull=False)
    restored = archived.update(archived_at=None)
    if restored:
        logger.info("%s restores the project %s (%s)", by, project.slug, project.pk)
    return bool(restored)
