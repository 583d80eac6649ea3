"""Signing in, the list of a person's projects, and one project's front page."""

from typing import Any

from django.contrib.auth.views import LoginView
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from labelapp import lending, projects, prompts
from labelapp.access import member_view, signed_in
from labelapp.forms.projects import ProjectForm
from labelapp.models import Member, User
from labelapp.text import render as render_text


class SignIn(LoginView):
    template_name = "projects/sign_in.html"
    redirect_authenticated_user = True

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(**kwargs) | {"nobody_yet": not User.objects.exists()}


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    cards = projects.overview(signed_in(request))
    return render(request, "projects/index.html", {"cards": cards})


@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    user = signed_in(request)
    if not user.is_superuser:
        raise PermissionDenied("Only an administrator starts a project.")
    form = ProjectForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        project = projects.create(manager=user, project=form.save(commit=False))
        return redirect(project)
    return render(request, "projects/new.html", {"form": form}, status=422 if form.errors else 200)


@require_safe
@member_view()
def detail(request: HttpRequest, member: Member) -> HttpResponse:
    context = {
        "member": member,
        "project": member.project,
        "guidelines": render_text(member.project.guidelines),
        "counts": projects.counts(member.project),
        "naming": prompts.naming_themselves(member.project).count() if member.sees_scores else 0,
        "yours": lending.waiting_for(member) if member.pk else 0,
    }
    return render(request, "projects/detail.html", context)
