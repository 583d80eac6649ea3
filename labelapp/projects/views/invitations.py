"""The pages where managers create and revoke invitation links, and where people accept them."""

from dataclasses import dataclass

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.decorators import login_not_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from labelapp.models import Invitation, Member, Role
from labelapp.projects import invitations
from labelapp.projects.forms.accounts import AccountForm
from labelapp.projects.forms.invitations import InvitationForm
from labelapp.web.access import member_view, signed_in
from labelapp.web.middleware import translated
from labelapp.web.sessions import begin

PAGE_SIZE = 20
FORGED = gettext_lazy("This invitation link isn’t valid. Check that you have the whole link.")
JOINED = {
    Role.LABELLER: gettext_lazy("You have joined %(project)s as a labeller."),
    Role.REVIEWER: gettext_lazy("You have joined %(project)s as a reviewer."),
    Role.MANAGER: gettext_lazy("You have joined %(project)s as a manager."),
}


@dataclass(frozen=True)
class Link:
    """An invitation as managers see it."""

    invitation: Invitation
    url: str
    over: str  # why it no longer works; empty while it works


def link(request: HttpRequest, invitation: Invitation) -> Link:
    path = reverse("join", args=[invitations.token(invitation)])
    url = request.build_absolute_uri(path)
    return Link(invitation, url, invitations.reason_over(invitation))


@require_http_methods(["GET", "HEAD", "POST"])
@member_view(Role.MANAGER)
def index(request: HttpRequest, member: Member) -> HttpResponse:
    form = InvitationForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        created = invitations.create(
            project=member.project,
            role=form.cleaned_data["role"],
            lasts=form.lasts,
            single=form.single,
            user=signed_in(request),
        )
        messages.success(
            request, _("Link created. Copy it and share it with the people you want to invite.")
        )
        return redirect(f"{request.path}#invitation-{created.pk}")
    created_here = member.project.invitations.with_maker().select_related("created_by")
    page = Paginator(created_here, PAGE_SIZE).get_page(request.GET.get("page"))
    context = {
        "form": form,
        "page": page,
        "links": [link(request, invitation) for invitation in page],
    }
    status = 422 if request.method == "POST" else 200
    return render(request, "projects/invitations/list.html", context, status=status)


@require_POST
@member_view(Role.MANAGER)
def revoke(request: HttpRequest, member: Member, pk: int) -> HttpResponse:
    invitation = get_object_or_404(Invitation, pk=pk, project=member.project)
    invitations.revoke(invitation)
    messages.success(request, _("The link is revoked. Nobody can join with it any more."))
    return redirect("invitations", member.project.slug)


# Joining. These pages show only the name of a project.


@translated
@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@sensitive_post_parameters("password1", "password2")
def join(request: HttpRequest, token: str) -> HttpResponse:
    try:
        invitation = invitations.find(token)
        if request.method == "POST":
            return accept(request, invitation)
        if request.user.is_authenticated:
            if invitations.is_redundant(invitation, signed_in(request)):
                return redirect(invitation.project)
            invitations.check_for(invitation, signed_in(request))
        invitations.check(invitation)
    except Invitation.DoesNotExist:
        return refuse(request, str(FORGED), status=404)
    except invitations.InvitationOverError as error:
        return refuse(request, str(error), status=410)
    return join_response(request, invitation, AccountForm())


def refuse(request: HttpRequest, problem: str, status: int) -> HttpResponse:
    context = {"problem": problem}
    return render(request, "projects/invitations/refused.html", context, status=status)


def join_response(
    request: HttpRequest, invitation: Invitation, form: AccountForm, status: int = 200
) -> HttpResponse:
    context = {"invitation": invitation, "form": form}
    return render(request, "projects/invitations/join.html", context, status=status)


def accept(request: HttpRequest, invitation: Invitation) -> HttpResponse:
    """Let the visitor join: as the person who is signed in, or with a new account."""
    if request.user.is_authenticated:
        member = invitations.accept(invitation=invitation, user=signed_in(request))
    else:
        invitations.check(invitation)  # without a working link nobody can ask for names
        form = AccountForm(request.POST)
        if not form.is_valid():
            return join_response(request, invitation, form, status=422)
        user = form.save(commit=False)
        try:
            member = invitations.accept_as_new(invitation=invitation, account=user)
        except invitations.NameTakenError:
            form.refuse_taken_name()
            return join_response(request, invitation, form, status=422)
        login(request, user, backend=settings.AUTHENTICATION_BACKENDS[0])
        begin(request)
    messages.success(request, JOINED[Role(member.role)] % {"project": member.project.name})
    return redirect(invitation.project)
