"""Sessions: their list, and their end when nobody has used them for a while."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from django.conf import settings
from django.contrib.auth import SESSION_KEY, logout
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.models import Session
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from labelapp.models import User

USED_AT = "used_at"  # in a session: seconds since 1970
BROWSER = "browser"  # in a session: the browser and the system that it began in
# The time of the last use is stored this often at most in the time that a session may be idle: a
# page that only reads does not write to the database.
STORED_PER_LIMIT = 20


def note_use(session: SessionBase) -> None:
    """Record that the session is in use now."""
    session[USED_AT] = int(time.time())


def begin(request: HttpRequest) -> None:
    """Record in the session of somebody who has just signed in which browser it is."""
    note_use(request.session)
    request.session[BROWSER] = browser_name(request.headers.get("User-Agent", ""))


# What names a browser and a system in a User-Agent, the more special ones first: Edge calls itself
# Chrome and Safari as well, and Android calls itself Linux.
BROWSERS = {
    "Edg/": "Edge",
    "OPR/": "Opera",
    "Firefox/": "Firefox",
    "Chrome/": "Chrome",
    "Safari/": "Safari",
}
SYSTEMS = {
    "iPhone": "iPhone",
    "iPad": "iPad",
    "Android": "Android",
    "Windows": "Windows",
    "Mac OS X": "macOS",
    "Linux": "Linux",
}


def browser_name(agent: str) -> str:
    """Return the browser and the system of a User-Agent: "Firefox, Linux", or ""."""
    found = (
        next((name for part, name in names.items() if part in agent), "")
        for names in (BROWSERS, SYSTEMS)
    )
    return ", ".join(filter(None, found))


@dataclass(frozen=True)
class OpenSession:
    """A browser in which somebody is signed in."""

    browser: str  # "" where it is not known
    used_at: datetime | None  # within a twentieth of the time that a session may be idle
    is_here: bool


def open_sessions(user: User, key: str | None) -> list[OpenSession]:
    """Return the browsers in which a user is signed in, that of the session `key` first."""
    found = []
    for session in sessions_of(user):
        data, is_here = session.get_decoded(), session.session_key == key
        used = data.get(USED_AT)
        if is_here or not is_over(used):
            used_at = None if used is None else datetime.fromtimestamp(used, UTC)
            found.append(OpenSession(data.get(BROWSER, ""), used_at, is_here))
    oldest = datetime.min.replace(tzinfo=UTC)
    return sorted(found, key=lambda each: (each.is_here, each.used_at or oldest), reverse=True)


def is_over(used: float | None) -> bool:
    """Return whether a session has ended because nobody has used it since this time."""
    limit: int = settings.SESSION_IDLE_SECONDS
    return bool(limit) and used is not None and time.time() - used > limit


def end_others(user: User, key: str | None) -> int:
    """Sign a user out in every browser but that of the session `key`; return in how many."""
    others = [each.session_key for each in sessions_of(user) if each.session_key != key]
    Session.objects.filter(session_key__in=others).delete()
    return len(others)


class IdleSessionMiddleware:
    """Sign out whoever has been away for settings.SESSION_IDLE_SECONDS."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        limit: int = settings.SESSION_IDLE_SECONDS
        if limit and isinstance(request.user, User):
            idle = idle_seconds(request.session, request.user)
            if idle > limit:
                logout(request)
            elif idle * STORED_PER_LIMIT > limit and not is_automatic(request):
                note_use(request.session)
        return self.get_response(request)


def idle_seconds(session: SessionBase, user: User) -> float:
    """Return for how long the session has not been used.

    Sessions of earlier versions hold no time. They count from now on.
    """
    if USED_AT in session:
        return max(0.0, time.time() - session[USED_AT])
    signed_in = user.last_login.timestamp() if user.last_login else 0.0
    if time.time() - signed_in > settings.SESSION_IDLE_SECONDS / STORED_PER_LIMIT:
        note_use(session)
    return 0.0


def sessions_of(user: User) -> list[Session]:
    """Return the sessions in which a user is signed in."""
    return [
        session
        for session in Session.objects.filter(expire_date__gt=timezone.now()).iterator()
        if session.get_decoded().get(SESSION_KEY) == str(user.pk)
    ]


def is_automatic(request: HttpRequest) -> bool:
    """Return whether a page that is open has sent the request by itself, to follow a job."""
    return request.method == "GET" and "HX-Request" in request.headers
