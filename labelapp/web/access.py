"""Access control for the pages of a project.

A project of which the user is not a member is not found (404). A page that the user's role does
not allow is refused with a message (403).
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, cast

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404

from labelapp.models import Member, Project, Role, User

View = Callable[..., HttpResponseBase]

REVIEWERS = (Role.MANAGER, Role.REVIEWER)


def signed_in(request: HttpRequest) -> User:
    """Return the user. LoginRequiredMiddleware has sent anonymous visitors to sign in."""
    return cast(User, request.user)


def membership(user: User, slug: str) -> Member:
    """Return the user's membership of the project. Superusers are managers of every project.

    Raises Http404 for everyone else, so that strangers cannot tell which projects exist.
    """
    own = (
        Member.objects.filter(user=user, project__slug=slug, is_active=True)
        .select_related("project")
        .first()
    )
    if own is not None:
        if user.is_superuser:
            own.role = Role.MANAGER  # in memory only
        return own
    if not user.is_superuser:
        raise Http404
    project = get_object_or_404(Project, slug=slug)
    return Member(project=project, user=user, name=user.username, role=Role.MANAGER)


def member_view(*roles: Role) -> Callable[[View], View]:
    """Return a decorator that calls view(request, member, ...) for members with one of `roles`.

    Without roles, every member is allowed.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, slug: str, **kwargs: Any) -> HttpResponseBase:
            member = membership(signed_in(request), slug)
            if roles and member.role not in roles:
                raise PermissionDenied(
                    f"Only a {' or '.join(roles)} of the project can open this page."
                )
            return view(request, member, **kwargs)

        return guarded

    return decorate
