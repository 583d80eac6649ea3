"""The login backend that sessions of earlier versions name.

Django signs out everybody whose session names a backend that AUTHENTICATION_BACKENDS does not list.
"""

from typing import Any

from django.contrib.auth.backends import ModelBackend


class Backend(ModelBackend):
    """Find the user of an earlier session; new sign-ins go through ModelBackend itself."""

    def authenticate(self, *args: Any, **credentials: Any) -> None:
        """Leave every sign-in to the backend listed before this one."""
