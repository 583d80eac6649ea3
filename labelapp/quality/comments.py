"""The comments of reviewers and managers on the rankings of a prompt."""

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from labelapp.models import Comment, Member, Prompt
from labelapp.notifications.telling import tell_of_comment


def comments_on(prompt: Prompt) -> QuerySet[Comment]:
    """Return the comments on a prompt, oldest first."""
    return prompt.comments.select_related("member").order_by("created_at", "pk")


@transaction.atomic
def write(*, prompt: Prompt, member: Member, text: str) -> Comment:
    """Store a comment, and tell managers and who has commented before."""
    others = set(prompt.comments.values_list("member", flat=True))
    comment = Comment.objects.create(
        prompt=prompt, member=member, text=text, created_at=timezone.now()
    )
    tell_of_comment(comment.pk, prompt.pk, member, others)
    return comment


def may_delete(comment: Comment, member: Member) -> bool:
    """Return whether the member wrote the comment or is a manager."""
    return member.manages or comment.member_id == member.pk


def delete(comment: Comment) -> None:
    comment.delete()
