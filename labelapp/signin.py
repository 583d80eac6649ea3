"""Who a request is from: Django's sessions and logins, read with the least work.

Every request asks for both, and putting the two statements together took longer than the database
takes to answer them.
"""

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.contrib.sessions.models import Session
from django.db import connection
from django.utils import timezone

from labelapp.models import User
from labelapp.rows import columns, read


class SessionStore(DatabaseStore):
    """Sessions in the database, as Django keeps them."""

    def _get_session_from_db(self) -> Session | None:
        found = read(
            Session,
            f"SELECT {columns(Session)} FROM django_session "  # noqa: S608 - ours
            "WHERE session_key = %(key)s AND expire_date > %(now)s",
            {
                "key": self.session_key,
                "now": connection.ops.adapt_datetimefield_value(timezone.now()),
            },
        )
        if not found:
            self._session_key = None
            return None
        return found[0]


class Backend(ModelBackend):
    """Names and passwords, as Django checks them."""

    def get_user(self, user_id: Any) -> User | None:
        found = read(
            User,
            f"SELECT {columns(User)} FROM labelapp_user WHERE id = %(user)s",  # noqa: S608 - ours
            {"user": user_id},
        )
        return found[0] if found and self.user_can_authenticate(found[0]) else None
