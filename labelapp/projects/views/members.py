"""The pages where managers change roles, remove members and bring them back."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import HttpResponseClientRedirect

from labelapp.models import Member, Project, Role
from labelapp.projects import members as people
from labelapp.projects import password_reset
from labelapp.projects.assignees import waiting_for
from labelapp.projects.forms.members import RoleForm
from labelapp.web.access import member_view, require_administrator, when_archived
from labelapp.web.addresses import sent_from
from labelapp.web.middleware import PageRequest
from labelapp.web.query import text_of

PAGE_SIZE = 50
MAX_SEARCH = 150  # characters
# Sentences with a role are whole: other languages inflect its article and its noun.
NOW = {
    Role.LABELLER: gettext_lazy("%(name)s is now a labeller."),
    Role.REVIEWER: gettext_lazy("%(name)s is now a reviewer."),
    Role.MANAGER: gettext_lazy("%(name)s is now a manager."),
}
BACK = {
    Role.LABELLER: gettext_lazy("%(name)s is back as a labeller."),
    Role.REVIEWER: gettext_lazy("%(name)s is back as a reviewer."),
    Role.MANAGER: gettext_lazy("%(name)s is back as a manager."),
}


def find(member: Member, pk: int) -> Member:
    """Return a member of the project who has a login. Raises Http404 for others."""
    persons = Member.objects.select_related("user", "project").filter(user__isnull=False)
    return get_object_or_404(persons, pk=pk, project=member.project)


def done(
    request: PageRequest, member: Member, person: Member, message: str, earlier: str = ""
) -> HttpResponse:
    """Return the updated row, or a redirect if managers have closed this page to themselves.

    The row offers to give the person their `earlier` role back.
    """
    own = person.user_id == request.user.pk and not request.user.is_superuser
    if own and not person.is_active:
        target = redirect("projects")
    elif own and not person.manages:
        target = redirect(member.project)
    elif request.htmx:
        return row(request, member, person, said=message, earlier=earlier)
    else:
        target = redirect("people", member.project.slug)
    messages.success(request, message)
    return HttpResponseClientRedirect(target.url) if request.htmx else target


def refuse(
    request: PageRequest, member: Member, person: Member, problem: str, status: int = 422
) -> HttpResponse:
    if request.htmx:
        return row(request, member, person, status=status, problem=problem)
    messages.error(request, problem)
    return redirect("people", member.project.slug)


def row(
    request: PageRequest, member: Member, person: Member, status: int = 200, **extra: Any
) -> HttpResponse:
    show_links([person], member.project)
    context = {"project": member.project, "person": person, "roles": Role.choices, **extra}
    return render(request, "projects/members/_person.html", context, status=status)


def show_links(persons: Iterable[Member], project: Project) -> None:
    """Set `links` of each person to the invitation links of theirs that still work."""
    by_maker = defaultdict(list)
    for link in people.working_links(project):
        by_maker[link.created_by_id].append(link)
    for person in persons:
        person.links = by_maker[person.user_id] if person.user_id else []


def links_revoked(number: int) -> str:
    """Return a sentence about the links that a change of membership has revoked, or ""."""
    if not number:
        return ""
    sentence = ngettext(
        "The invitation link they had made no longer works.",
        "The %(number)s invitation links they had made no longer work.",
        number,
    )
    return " " + sentence % {"number": number}


@require_safe
@member_view(Role.MANAGER)
def index(request: PageRequest, member: Member) -> HttpResponse:
    shown = request.GET.get("show", "")
    shown = shown if shown in people.KINDS else people.ACTIVE
    search = text_of(request.GET, "q", MAX_SEARCH)
    members = people.search(people.of_kind(member.project, shown), search)
    page = Paginator(members, PAGE_SIZE).get_page(request.GET.get("page"))
    show_links(page.object_list, member.project)
    context = {
        "shown": shown,
        "counts": people.count_kinds(member.project),
        "page": page,
        "search": search,
        "query": urlencode({"show": shown} | ({"q": search} if search else {})) + "&",
        "roles": Role.choices,
    }
    return render(request, "projects/members/list.html", context)


@require_POST
@member_view()
def join(request: PageRequest, member: Member) -> HttpResponse:
    """Make a superuser who is outside the project a manager of it."""
    problem = _("Only an administrator can join a project without an invitation.")
    user = require_administrator(request, problem)
    joined = people.join_as_manager(project=member.project, user=user)
    messages.success(request, NOW[Role.MANAGER] % {"name": joined.name})
    return redirect(sent_from(request) or member.project)


@require_POST
@member_view(Role.MANAGER)
def change_role(request: PageRequest, member: Member, pk: int) -> HttpResponse:
    person = find(member, pk)
    form = RoleForm(request.POST)
    if not form.is_valid():
        return refuse(request, member, person, str(next(iter(form.errors.values()))[0]))
    try:
        role, shown = form.cleaned_data["role"], form.cleaned_data["shown"] or None
        earlier = person.role
        revoked = people.change_role(member=person, role=role, instead_of=shown)
    except people.ChangedMeanwhileError as error:
        return refuse(request, member, person, str(error), status=409)
    except people.LastManagerError as error:
        return refuse(request, member, person, str(error))
    message = f"{NOW[Role(person.role)] % {'name': person.name}}{links_revoked(revoked)}"
    return done(request, member, person, message, earlier if earlier != person.role else "")


@require_POST
@member_view(Role.MANAGER)
@when_archived
def remove(request: PageRequest, member: Member, pk: int) -> HttpResponse:
    person = find(member, pk)
    released = waiting_for(person)
    try:
        revoked = people.remove(member=person)
    except people.LastManagerError as error:
        return refuse(request, member, person, str(error))
    message = _(
        "%(name)s has been removed. Their rankings are kept, and the prompts they had started go "
        "to others."
    ) % {"name": person.name}
    message += links_revoked(revoked)
    if released:
        opened = ngettext(
            "%(number)s prompt assigned to them is open to others again.",
            "%(number)s prompts assigned to them are open to others again.",
            released,
        )
        message += " " + opened % {"number": released}
    return done(request, member, person, message)


@require_POST
@member_view(Role.MANAGER)
def bring_back(request: PageRequest, member: Member, pk: int) -> HttpResponse:
    person = find(member, pk)
    people.bring_back(member=person)
    return done(request, member, person, BACK[Role(person.role)] % {"name": person.name})


@require_POST
@member_view(Role.MANAGER)
def reset_password(request: PageRequest, member: Member, pk: int) -> HttpResponse:
    """Show a link by which a member sets a new password. It is shown this once."""
    person = find(member, pk)
    try:
        path = password_reset.create_path(manager=member, person=person)
    except password_reset.CannotResetError as error:
        return refuse(request, member, person, str(error))
    context = {
        "person": person,
        "link": request.build_absolute_uri(path),
        "hours": settings.PASSWORD_RESET_TIMEOUT // 3600,
    }
    return render(request, "projects/members/reset_link.html", context)
