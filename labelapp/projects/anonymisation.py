"""Anonymise a person: their rankings stay in the projects, and nothing tells whose they are."""

import logging
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from labelapp.db.locks import Holder, WorkLock
from labelapp.db.writer import write
from labelapp.jobs import files
from labelapp.models import (
    Assignment,
    Comment,
    Exclusion,
    Invitation,
    Member,
    MemberMessage,
    MemberNote,
    Notification,
    NotificationChoice,
    Project,
    Ranking,
    State,
    TrainingRun,
    Upload,
    User,
    WebhookCall,
)
from labelapp.projects import deletion
from labelapp.projects import members as people
from labelapp.projects.personal_data import Person, log_about
from labelapp.runs import lifecycle
from labelapp.runs.process import run_folder
from labelapp.web.sessions import sessions_of
from labelapp.web.signin import failures_of

logger = logging.getLogger("labelapp.audit")


ERASED = "(erased)"  # in place of the reason why somebody was left out


class CannotAnonymiseError(Exception):
    """The person cannot be anonymised now; the message says why and what to do."""


def anonymise(person: Person, *, by: str) -> str:
    """Erase a person's names, sign-in and texts, and return the name that replaces theirs.

    Their rankings stay. Raises CannotAnonymiseError.
    """
    with write():
        members = list(person.members.select_related("project").order_by("project"))
        check_nothing_runs(members)
        name = pseudonym(person)
        log_about(person).update(object_repr=name)
        for member in members:
            leave(member)
            rename(member, name)
        erase_texts(members)
        if person.user is not None:
            erase_account(person.user, name)
    for member in members:
        deletion.delete_unpublished(member.project)
        delete_copies(member)
    logger.info("%s anonymised %s", by, name)
    return name


def same_name(person: Person) -> QuerySet[Member]:
    """Return the members without an account who have a name of the person: maybe the same one."""
    names = {person.name, *person.members.values_list("name", flat=True)}
    shown = Member.objects.filter(project__in=Project.objects.not_deleted())
    others = shown.filter(user=None, name__in=names).exclude(pk__in=person.members)
    return others.select_related("project")


def check_nothing_runs(members: Sequence[Member]) -> None:
    """Raise CannotAnonymiseError while a job may store names that it has read before."""
    projects = [member.project_id for member in members]
    for model in (TrainingRun, Upload):
        job = model._default_manager.active().filter(project__in=projects).first()
        if job is not None:
            raise CannotAnonymiseError(
                _(
                    "%(project)s: %(job)s %(number)s is in progress. Wait for its end, or stop it, "
                    "and try again."
                )
                % {"project": job.project, "job": model._meta.verbose_name, "number": job.pk}
            )
    for member in members:
        if WorkLock(member.project.staging_slug).holder() == Holder.ALIVE:
            raise CannotAnonymiseError(
                _("%(project)s: an import is in progress. Wait for its end, and try again.")
                % {"project": member.project}
            )


def pseudonym(person: Person) -> str:
    """Return a name for a person that no other account has."""
    name = f"removed-{person.user.pk if person.user else person.members[0].pk}"
    taken = User.objects.filter(username=name).first()
    return name if taken in (None, person.user) else f"{name}-{secrets.token_hex(4)}"


def leave(member: Member) -> None:
    """Remove a member who can sign in, so that others get what they had begun."""
    if member.user_id is None or not member.is_active or member.project.deleted_at is not None:
        return
    try:
        people.remove(member=member)
    except people.LastManagerError as error:
        raise CannotAnonymiseError(f"{member.project.name}: {error}") from error


def rename(member: Member, name: str) -> None:
    """Rename a member, also in what uploads and runs of the project store of their labellers."""
    old = member.name
    if old.startswith(name):
        return
    member.name = people.free_name(member.project, name)
    member.save(update_fields=["name"])
    forget_in_notifications(member.project, old)
    for upload in member.project.uploads.filter(options__labeller=old):
        upload.options["labeller"] = member.name
        upload.save(update_fields=["options"])
    for run in member.project.runs.all():
        if (metrics := renamed(run.metrics, old, member.name)) != run.metrics:
            run.metrics = metrics
            run.save(update_fields=["metrics"])
        folder = run_folder(run)
        if run.folder and (metrics := folder.read_metrics()):  # copied when a run is resumed
            folder.write_metrics(renamed(metrics, old, member.name))


def forget_in_notifications(project: Project, name: str) -> None:
    """Delete what others and the project's webhook were told of a labeller by name."""
    told = Notification.objects.filter(project=project).only("about")
    named = [one.pk for one in told.iterator() if is_about(one.about, name)]
    Notification.objects.filter(pk__in=named).delete()
    calls = WebhookCall.objects.filter(webhook__project=project).only("body")
    called = [call.pk for call in calls.iterator() if is_about(call.body.get("data", {}), name)]
    WebhookCall.objects.filter(pk__in=called).delete()


def is_about(told: Mapping[str, Any], name: str) -> bool:
    return name == told.get("name") or name in told.get("names", ())


def renamed(value: Any, old: str, new: str) -> Any:
    """Return a JSON value in which the labeller `old` is called `new`."""
    if isinstance(value, Mapping):
        return {
            key: new if key == "labeller" and item == old else renamed(item, old, new)
            for key, item in value.items()
        }
    return [renamed(item, old, new) for item in value] if isinstance(value, list) else value


def erase_texts(members: Sequence[Member]) -> None:
    """Erase what members have written, and what managers have written about them."""
    Assignment.objects.filter(member__in=members).update(draft={}, skip_note="")
    Ranking.objects.filter(member__in=members).exclude(note="").update(note="")
    Comment.objects.filter(member__in=members).delete()
    MemberNote.objects.filter(member__in=members).delete()
    MemberMessage.objects.filter(member__in=members).delete()
    Exclusion.objects.filter(member__in=members).update(reason=ERASED)


def erase_account(user: User, name: str) -> None:
    """Close an account for good, and sign it out."""
    failures_of(user.username).delete()
    user.username, user.first_name, user.last_name, user.email = name, "", "", ""
    user.is_active = user.is_staff = user.is_superuser = False
    user.last_login = None
    user.set_unusable_password()
    user.save()
    user.groups.clear()
    user.user_permissions.clear()
    for session in sessions_of(user):
        session.delete()
    Notification.objects.filter(user=user).delete()
    NotificationChoice.objects.filter(user=user).delete()
    MemberNote.objects.filter(author=user).delete()
    MemberMessage.objects.filter(author=user).delete()
    Exclusion.objects.filter(created_by=user).update(reason=ERASED)
    now = timezone.now()
    Invitation.objects.filter(created_by=user, revoked_at=None).update(revoked_at=now)
    for upload in Upload.objects.filter(created_by=user):
        Notification.objects.filter(
            project=upload.project_id, key__startswith=f"upload-{upload.pk}-"
        ).delete()
        WebhookCall.objects.filter(
            webhook__project=upload.project_id, key__startswith=f"upload-{upload.pk}-"
        ).delete()
    Upload.objects.filter(created_by=user, state=State.DONE).update(name="file")
    for upload in Upload.objects.filter(created_by=user).exclude(state=State.DONE):
        upload.delete()
        files.remove_folder(upload)


def delete_copies(member: Member) -> None:
    """Delete the files in which a project's labellers are named and that can be made again."""
    for export in member.project.exports.all():
        if export.is_active:
            files.request_stop(export)
        else:
            export.delete()
            files.remove_folder(export)
    for run in member.project.runs.all():
        lifecycle.delete_tokens(run)
