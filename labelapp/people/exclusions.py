"""Leave a labeller's rankings out of training, export and agreement, and count them again.

Nothing is deleted: Member.excluded_from says which rankings do not count, for those that are there
and those to come. What prompts want stays, so nobody is asked to rank them again. Prompts assigned
to them that they have not been given yet are open to everybody again.
"""

import logging
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from labelapp.models import ALTOGETHER, Exclusion, Member, User
from labelapp.projects.assignees import release
from labelapp.projects.members import lock_members
from labelapp.quality.measurement import last_measurement

logger = logging.getLogger("labelapp.audit")


class ExcludedMeanwhileError(Exception):
    """Somebody else has left the member out, or counts them again, meanwhile."""


@transaction.atomic
def exclude(*, member: Member, by: User, reason: str, since: datetime | None = None) -> Exclusion:
    """Leave out the member's rankings from a moment on, or all of them.

    Raises ExcludedMeanwhileError if they are left out already.
    """
    lock_members(member.project)
    Member.objects.locked().get(pk=member.pk)
    if member.exclusions.filter(ended_at=None).exists():
        raise ExcludedMeanwhileError
    member.excluded_from = since or ALTOGETHER
    member.save(update_fields=["excluded_from"])
    exclusion = Exclusion.objects.create(
        member=member,
        since=since,
        reason=reason,
        figures=figures_of(member),
        created_by=by,
    )
    release(member)
    logger.info("%s leaves out %s (%s) in %s", by, member, member.pk, member.project.slug)
    return exclusion


@transaction.atomic
def end(*, member: Member, by: User) -> None:
    """Count the member's rankings again. Raises ExcludedMeanwhileError if they count already."""
    Member.objects.locked().get(pk=member.pk)
    held = member.exclusions.filter(ended_at=None)
    if not held.update(ended_at=timezone.now(), ended_by=by):
        raise ExcludedMeanwhileError
    member.excluded_from = None
    member.save(update_fields=["excluded_from"])
    logger.info("%s counts %s (%s) again in %s", by, member, member.pk, member.project.slug)


def figures_of(member: Member) -> dict[str, object]:
    """Return what agreement was measured last of a member, to be kept with the reason."""
    agreement = last_measurement(member.project).agreement
    found = agreement.figures_of(member.pk) if agreement else None
    return found.to_json() if found else {}
