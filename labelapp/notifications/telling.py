"""Notify people of events: each of them once, in the page and by mail as they chose.

It only writes rows, in the transaction of the event itself: both are stored, or neither. The task
worker sends the mails (outbox.py).
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, time, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from labelapp.models import (
    READERS,
    Event,
    Job,
    Kind,
    Mail,
    Member,
    MemberMessage,
    Notification,
    NotificationChoice,
    Project,
    Role,
    State,
    User,
    WebhookCall,
)
from labelapp.notifications import webhooks

DAILY_AT = time(7)  # UTC, when the daily mails are sent
KEPT = timedelta(days=90)


def notify(
    *,
    project: int,
    event: Event,
    key: str,
    path: str,
    to: Iterable[int],
    about: dict[str, Any] | None = None,
) -> None:
    """Tell users, by their keys, and the project's webhook of an event in a project.

    `key` identifies the event, so that nobody is told of it twice.
    """
    webhooks.queue(project=project, event=event, key=key, path=path, about=about)
    users = set(to)
    choices = {
        choice.user_id: choice
        for choice in NotificationChoice.objects.filter(user__in=users, kind=event.kind)
    }
    now = timezone.now()
    told = []
    for user in sorted(users):
        choice = choices.get(user, NotificationChoice(user_id=user, kind=event.kind))
        mail_due_at = due_at(Mail(choice.mail), now)
        if choice.in_page or mail_due_at:
            told.append(
                Notification(
                    user_id=user,
                    project_id=project,
                    kind=event.kind,
                    event=event,
                    key=key,
                    about=about or {},
                    path=path,
                    in_page=choice.in_page,
                    mail_due_at=mail_due_at,
                )
            )
    Notification.objects.bulk_create(told, ignore_conflicts=True)


def due_at(mail: Mail, now: datetime) -> datetime | None:
    """Return when a mail is to be sent, or None for never."""
    if mail == Mail.NEVER or not settings.EMAIL_HOST:
        return None
    if mail == Mail.AT_ONCE:
        return now
    today = datetime.combine(now.date(), DAILY_AT, now.tzinfo)
    return today if now < today else today + timedelta(days=1)


def members_to_tell(
    project: int, kind: Kind, *conditions: Q, without: int | None = None
) -> set[int]:
    """Return the users of a project's members whose role gets this kind of notification."""
    members = Member.objects.filter(
        *conditions, project=project, is_active=True, user__is_active=True, role__in=READERS[kind]
    )
    return set(members.exclude(user=without).values_list("user", flat=True))


def tell_of_job(job: Job) -> None:
    """Tell of the end of a run, an upload or an export, unless somebody stopped it."""
    model = job._meta.model_name
    event = {
        ("trainingrun", State.DONE): Event.RUN_DONE,
        ("trainingrun", State.FAILED): Event.RUN_FAILED,
        ("upload", State.DONE): Event.UPLOAD_DONE,
        ("upload", State.REFUSED): Event.UPLOAD_REFUSED,
        ("upload", State.FAILED): Event.UPLOAD_FAILED,
        ("export", State.DONE): Event.EXPORT_DONE,
        ("export", State.FAILED): Event.EXPORT_FAILED,
    }.get((model or "", State(job.state)))
    if event is None or job.finished_at is None:
        return
    slug = Project.including_hidden.values_list("slug", flat=True).get(pk=job.project_id)
    path = {
        Kind.RUN: lambda: reverse("run", args=[slug, job.pk]),
        Kind.UPLOAD: lambda: reverse("upload", args=[slug, job.pk]),
        Kind.EXPORT: lambda: reverse("export", args=[slug]),
    }[event.kind]()
    # Reviewers see runs. A file concerns managers and who has asked for it.
    concerned = Q() if event.kind == Kind.RUN else Q(role=Role.MANAGER)
    to = members_to_tell(job.project_id, event.kind, concerned)
    if job.created_by_id is not None:
        to.add(job.created_by_id)
    notify(
        project=job.project_id,
        event=event,
        key=f"{model}-{job.pk}-{job.finished_at.isoformat()}",  # a run that is resumed ends again
        path=path,
        to=to,
        about={"name": getattr(job, "name", ""), "number": job.pk},
    )


def tell_of_alerts(project: Project, measurement: int, names: Collection[str]) -> None:
    """Tell managers which labellers newly stand out in a measurement of agreement."""
    if names:
        notify(
            project=project.pk,
            event=Event.ALERT_RAISED,
            key=f"alerts-{measurement}",
            path=reverse("agreement", args=[project.slug]),
            to=members_to_tell(project.pk, Kind.ALERT),
            about={"count": len(names), "names": list(names)[:3]},
        )


def tell_of_campaign(project: Project, end: str) -> None:
    """Tell managers that every ranking was made; `end` identifies the end of a campaign."""
    notify(
        project=project.pk,
        event=Event.CAMPAIGN_DONE,
        key=f"campaign-{project.pk}-{end}",
        path=reverse("progress", args=[project.slug]),
        to=members_to_tell(project.pk, Kind.CAMPAIGN),
    )


def tell_of_comment(comment: int, prompt: int, author: Member, others: Collection[int]) -> None:
    """Tell managers, and the `others` who comment on the prompt, of a comment."""
    project = author.project
    in_talk = Q(role=Role.MANAGER) | Q(pk__in=others)
    notify(
        project=project.pk,
        event=Event.COMMENT_MADE,
        key=f"comment-{comment}",
        path=reverse("disagreement", args=[project.slug, prompt]) + "#comments",
        to=members_to_tell(project.pk, Kind.COMMENT, in_talk, without=author.user_id),
        about={"name": author.name},
    )


def tell_of_message(message: MemberMessage) -> None:
    """Tell a member that a manager has written to them, without the text of the message."""
    member = message.member
    notify(
        project=member.project_id,
        event=Event.MESSAGE_SENT,
        key=f"message-{message.pk}",
        path=reverse("labelling", args=[member.project.slug]),
        to=members_to_tell(member.project_id, Kind.MESSAGE, Q(pk=member.pk)),
    )


def tell_of_tasks(
    project: Project, event: Event, *, key: str, counts: Mapping[int, int], by: User
) -> None:
    """Tell members, by their keys, how many prompts are assigned or returned to them.

    Nobody is told of what they have assigned to themselves.
    """
    alike = defaultdict(list)
    for member, count in counts.items():
        alike[count].append(member)
    for count, members in alike.items():
        notify(
            project=project.pk,
            event=event,
            key=key,
            path=reverse("labelling", args=[project.slug]),
            to=members_to_tell(project.pk, event.kind, Q(pk__in=members), without=by.pk),
            about={"count": count},
        )


def withdraw(project: Project, key: str) -> None:
    """Delete what was told of an event that is undone, unless its reader knows it already."""
    told = Notification.objects.filter(project=project, key=key)
    told.filter(read_at=None, mailed_at=None).delete()


def delete_old() -> None:
    """Delete notifications and calls of webhooks that were made long ago, read or not."""
    long_ago = timezone.now() - KEPT
    Notification.objects.filter(created_at__lt=long_ago).delete()
    WebhookCall.objects.filter(created_at__lt=long_ago).delete()
