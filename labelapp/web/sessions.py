"""Sessions: they end when nobody has used them for a while."""

import time
from collections.abc import Callable

from django.conf import settings
from django.contrib.auth import SESSION_KEY, logout
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.models import Session
from django.http import HttpRequest, HttpResponse

from labelapp.models import User

USED_AT = "used_at"  # in a session: seconds since 1970
# The time of the last use is stored this often at most in the time that a session may be idle: a
# page that only reads does not write to the database.
STORED_PER_LIMIT = 20


def note_use(session: SessionBase) -> None:
    """Store that the session is in use now."""
    session[USED_AT] = int(time.time())


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
        for session in Session.objects.iterator()
        if session.get_decoded().get(SESSION_KEY) == str(user.pk)
    ]


def is_automatic(request: HttpRequest) -> bool:
    """Return whether a page that is open has sent the request by itself, to follow a job."""
    return request.method == "GET" and "HX-Request" in request.headers
