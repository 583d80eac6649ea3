"""Links by which people join a project."""

from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Exists, ExpressionWrapper, OuterRef, Q
from django.utils import timezone

from labelapp.models.projects import Member, Project, Role, User


def maker_manages() -> Q:
    """Return the condition that the maker of an invitation may invite people now.

    Subqueries rather than joins: an UPDATE with this condition checks and changes a row at once.
    """
    makers = User.objects.filter(pk=OuterRef("created_by"), is_active=True)
    managing = Member.objects.filter(
        project=OuterRef("project"), user=OuterRef("created_by"), role=Role.MANAGER, is_active=True
    )
    return Q(Exists(makers)) & (Q(Exists(managing)) | Q(Exists(makers.filter(is_superuser=True))))


class InvitationQuerySet(models.QuerySet["Invitation"]):
    def with_maker(self) -> Self:
        """Annotate each invitation with `maker_manages`: its maker may invite people now."""
        manages = ExpressionWrapper(maker_manages(), models.BooleanField())
        return self.annotate(maker_manages=manages)

    def working(self) -> Self:
        """Return the invitations that somebody can join with now."""
        return self.filter(
            Q(uses_left=None) | Q(uses_left__gt=0),
            maker_manages(),
            revoked_at=None,
            expires_at__gt=timezone.now(),
        )


class Invitation(models.Model):
    """A link by which a person joins a project in a role. The link itself is signed, not stored.

    It works only while its maker may invite people: as a manager of the project who can sign in,
    or as a superuser.
    """

    project = models.ForeignKey(Project, models.CASCADE, related_name="invitations")
    role = models.CharField(max_length=8, choices=Role.choices, default=Role.LABELLER)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    uses_left = models.PositiveSmallIntegerField(null=True)  # null: any number of people
    used = models.PositiveIntegerField(default=0)
    revoked_at = models.DateTimeField(null=True, blank=True)

    maker_manages: bool  # annotated by InvitationQuerySet.with_maker

    objects = InvitationQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(name="invitation_role_known", condition=Q(role__in=Role.values)),
            models.CheckConstraint(
                name="invitation_uses_not_negative", condition=Q(uses_left__gte=0)
            ),
        ]

    def __str__(self) -> str:
        return f"invitation {self.pk}"
