"""The sentences of notifications, in the language that is active."""

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from labelapp.models import Event, Kind, Notification

KINDS: dict[Kind, str | Promise] = {
    Kind.ALERT: gettext_lazy("A labeller’s rankings stand out"),
    Kind.RUN: gettext_lazy("A training run has finished or failed"),
    Kind.UPLOAD: gettext_lazy("An upload has been imported or refused"),
    Kind.EXPORT: gettext_lazy("An export is ready"),
    Kind.CAMPAIGN: gettext_lazy("All rankings that were asked for are done"),
    Kind.COMMENT: gettext_lazy("Somebody comments on a prompt"),
    Kind.MESSAGE: gettext_lazy("A manager sends you a message"),
    Kind.TASK: gettext_lazy("A manager assigns prompts to you, or returns your rankings"),
}


def sentence(notification: Notification) -> str:
    """Return what a notification says, as plain text."""
    about = notification.about
    name, number = about.get("name", ""), about.get("number", "")
    match notification.event:
        case Event.ALERT_RAISED:
            return alerts(about)
        case Event.RUN_DONE:
            text = _("Run %(number)s has finished.")
            named = _("%(name)s (run %(number)s) has finished.")
            return (named if name else text) % {"name": name, "number": number}
        case Event.RUN_FAILED:
            text = _("Run %(number)s has failed.")
            named = _("%(name)s (run %(number)s) has failed.")
            return (named if name else text) % {"name": name, "number": number}
        case Event.UPLOAD_DONE:
            return _("%(name)s has been imported.") % {"name": name}
        case Event.UPLOAD_REFUSED:
            return _("%(name)s has lines with errors; nothing was imported.") % {"name": name}
        case Event.UPLOAD_FAILED:
            return _("%(name)s could not be imported.") % {"name": name}
        case Event.EXPORT_DONE:
            return _("%(name)s is ready to download.") % {"name": name}
        case Event.EXPORT_FAILED:
            return _("%(name)s could not be exported.") % {"name": name}
        case Event.CAMPAIGN_DONE:
            return _("All rankings that were asked for are done.")
        case Event.COMMENT_MADE:
            return _("%(name)s commented on a prompt.") % {"name": name}
        case Event.TASK_ASSIGNED:
            return ngettext(
                "%(count)s prompt is assigned to you.",
                "%(count)s prompts are assigned to you.",
                count_of(about),
            ) % {"count": count_of(about)}
        case Event.TASK_RETURNED:
            return ngettext(
                "%(count)s of your rankings was returned: rank the prompt again.",
                "%(count)s of your rankings were returned: rank the prompts again.",
                count_of(about),
            ) % {"count": count_of(about)}
        case _:
            return _("A manager has sent you a message. You will see it at your next task.")


def alerts(about: dict[str, object]) -> str:
    names = about.get("names")
    listed = ", ".join(map(str, names)) if isinstance(names, list) else ""
    count = count_of(about)
    if isinstance(names, list) and count > len(names):
        listed += ", …"
    return ngettext(
        "The rankings of %(count)s labeller stand out: %(names)s",
        "The rankings of %(count)s labellers stand out: %(names)s",
        count,
    ) % {"count": count, "names": listed}


def count_of(about: dict[str, object]) -> int:
    count = about.get("count")
    return count if isinstance(count, int) else 1
