"""The page of the reward service: whether it runs, how to call it, and its tokens."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from labelapp.models import Alias, Member, Role, ServiceToken
from labelapp.registry import service, tokens, versions
from labelapp.registry.forms import TokenForm
from labelapp.web.access import member_view, signed_in, when_archived


@require_http_methods(["GET", "HEAD", "POST"])
@member_view(Role.MANAGER)
def index(request: HttpRequest, member: Member) -> HttpResponse:
    """Show the service, and create a token, whose text is shown this once."""
    form = TokenForm(request.POST or None)
    text = ""
    if request.method == "POST" and form.is_valid():
        _token, text = tokens.create(member.project, form.cleaned_data["name"], signed_in(request))
        form = TokenForm()
    created = ServiceToken.objects.filter(project=member.project).working()
    context: dict[str, Any] = {
        "champion": versions.holder(member.project, Alias.CHAMPION),
        "form": form,
        "text": text,
        "tokens": created.select_related("created_by"),
        "is_set_up": service.is_set_up(),
        "is_running": service.is_running(),
        "address": settings.REWARD_SERVER_URL,
        "host": settings.REWARD_SERVER_URL.partition("://")[2],
    }
    status = 422 if request.method == "POST" and not text else 200
    return render(request, "registry/service.html", context, status=status)


@require_POST
@member_view(Role.MANAGER)
@when_archived
def revoke(request: HttpRequest, member: Member, pk: int) -> HttpResponse:
    token = get_object_or_404(ServiceToken, pk=pk, project=member.project)
    tokens.revoke(token, signed_in(request))
    messages.success(request, _("The token “%(name)s” is revoked.") % {"name": token.name})
    return redirect("model_service", member.project.slug)
