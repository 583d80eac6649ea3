"""Who may open what: the guard in front of every page of a project.

A project that is not yours does not exist (404); a page of it that your role does not open is
refused in words (403).
"""

from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from typing import Any, cast

from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404

from labelapp.models import Member, Project, Role, User

View = Callable[..., HttpResponseBase]


def signed_in(request: HttpRequest) -> User:
    """The request's user. LoginRequiredMiddleware has sent everybody else to the sign-in page."""
    return cast(User, request.user)


def membership(user: User, slug: str, members: QuerySet[Member] | None = None) -> Member:
    """Return the person's membership in the project, read from `members` if given.

    Superusers manage projects they are not members of.
    Raises Http404 for everybody else, so that a stranger cannot tell which projects exist.
    """
    members = Member.objects.select_related("project") if members is None else members
    with suppress(Member.DoesNotExist):
        own = members.get(user_id=user.pk, project__slug=slug, is_active=True)
        if user.is_superuser:
            own.role = Role.MANAGER  # here and now, whatever is stored
        return own
    if not user.is_superuser:
        raise Http404
    project = get_object_or_404(Project, slug=slug)
    return Member(project=project, user=user, name=user.username, role=Role.MANAGER)


def member_view(*roles: Role) -> Callable[[View], View]:
    """Call the view as view(request, member, ...) for members with one of the roles (or any)."""

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, slug: str, **kwargs: Any) -> HttpResponseBase:
            member = membership(signed_in(request), slug)
            if roles and member.role not in roles:
                raise PermissionDenied(f"This page is for a {' or '.join(roles)} of the project.")
            return view(request, member, **kwargs)

        return guarded

    return decorate
