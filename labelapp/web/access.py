"""Access control for the pages of a project.

Return 404 for projects that the user is not a member of, and 403 for pages that the user's role
does not include.
"""

from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from typing import Any, cast

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _

from labelapp.models import Member, Project, Role, User

View = Callable[..., HttpResponseBase]

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
REVIEWERS = (Role.MANAGER, Role.REVIEWER)


def signed_in(request: HttpRequest) -> User:
    """Return the user of a request that LoginRequiredMiddleware has let through."""
    return cast(User, request.user)


def membership(user: User, slug: str, members: QuerySet[Member] | None = None) -> Member:
    """Return the user's membership in a project, read from `members` if given.

    Superusers are managers of every project. Raises Http404 for everybody else, so that strangers
    cannot find out which projects exist.
    """
    members = Member.objects.select_related("project") if members is None else members
    with suppress(Member.DoesNotExist):
        own = members.get(
            user_id=user.pk, project__slug=slug, project__deleted_at=None, is_active=True
        )
        if user.is_superuser:
            own.role = Role.MANAGER  # for this request only, not saved
        return own
    if not user.is_superuser:
        raise Http404
    project = get_object_or_404(Project.objects.not_deleted(), slug=slug)
    return Member(project=project, user=user, name=user.username, role=Role.MANAGER)


def require_administrator(request: HttpRequest, problem: str) -> User:
    """Return the user if they are a superuser. Raises PermissionDenied with the problem."""
    user = signed_in(request)
    if not user.is_superuser:
        raise PermissionDenied(problem)
    return user


def may_create_projects(user: User) -> bool:
    """Return whether the setting PROJECT_CREATORS lets a user create projects."""
    creators = settings.PROJECT_CREATORS
    return user.is_superuser or creators == "everyone" or (creators == "staff" and user.is_staff)


def require_creator(request: HttpRequest) -> User:
    """Return the user if they may create projects. Raises PermissionDenied."""
    user = signed_in(request)
    if not may_create_projects(user):
        raise PermissionDenied(_("You cannot create projects here. Ask an administrator."))
    return user


def require_open(member: Member) -> None:
    """Raise PermissionDenied if the project is archived, and so cannot be changed."""
    if member.project.is_archived:
        raise PermissionDenied(
            _("This project is archived and cannot be changed. A manager can restore it.")
        )


def when_archived(view: View) -> View:
    """Let a view of member_view or trainer_view change an archived project; put it below them."""
    view.when_archived = True  # type: ignore[attr-defined]
    return view


def require_member(member: Member) -> None:
    """Raise PermissionDenied for a superuser outside the project: rankings name a member."""
    if member.pk is None:
        raise PermissionDenied(_("Only members of the project can do this. Join it first."))


def member_view(*roles: Role) -> Callable[[View], View]:
    """Call the view as view(request, member, ...) if the member has one of the roles.

    Without roles, every member of the project may open the page. An archived project is not
    changed, unless the view is marked with when_archived.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, slug: str, **kwargs: Any) -> HttpResponseBase:
            member = membership(signed_in(request), slug)
            request.member = member  # type: ignore[attr-defined]  # for the menu
            if roles and member.role not in roles:
                raise PermissionDenied(
                    _("Only a manager or reviewer of this project can open this page.")
                    if Role.REVIEWER in roles
                    else _("Only a manager of this project can open this page.")
                )
            if request.method not in SAFE_METHODS and not getattr(view, "when_archived", False):
                require_open(member)
            return view(request, member, **kwargs)

        return guarded

    return decorate


def require_trainer(member: Member) -> None:
    """Raise PermissionDenied unless the member may train models and export rankings."""
    if not member.may_train:
        raise PermissionDenied(
            _("Only a manager of this project can do this, or a reviewer if its settings say so.")
        )


def trainer_view(view: View) -> View:
    """Call the view as member_view does, if the member may train models and export rankings."""

    @wraps(view)
    def guarded(request: HttpRequest, member: Member, **kwargs: Any) -> HttpResponseBase:
        require_trainer(member)
        return view(request, member, **kwargs)

    return member_view(*REVIEWERS)(guarded)
