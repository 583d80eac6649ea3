"""Managers' notes on a labeller, and their messages to them."""

from django.db import transaction

from labelapp.models import Member, MemberMessage, MemberNote, User
from labelapp.notifications.telling import tell_of_message


def write_note(*, member: Member, by: User, text: str) -> MemberNote:
    return MemberNote.objects.create(member=member, author=by, text=text)


@transaction.atomic
def send(*, member: Member, by: User, text: str) -> MemberMessage:
    """Show a text to a member with their next task."""
    message = MemberMessage.objects.create(member=member, author=by, text=text)
    MemberMessage.objects.count_unread(member)
    tell_of_message(message)
    return message


@transaction.atomic
def withdraw(message: MemberMessage) -> None:
    """Delete a message, so that its member does not see it any more."""
    message.delete()
    MemberMessage.objects.count_unread(message.member)
