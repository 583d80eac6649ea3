"""The pages to sign in, list projects, show one, and create one or change its settings."""

from copy import copy
from typing import Any

from django.contrib import messages
from django.contrib.auth.views import LoginView
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from labelapp.labelling import assignments, controls
from labelapp.models import Member, Role, User
from labelapp.projects import overview, prompts
from labelapp.projects.forms.projects import ProjectForm, SettingsForm
from labelapp.rendering.texts import render_text
from labelapp.web.access import member_view, signed_in


class SignIn(LoginView):
    template_name = "projects/sign_in.html"
    redirect_authenticated_user = True

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(**kwargs) | {"nobody_yet": not User.objects.exists()}


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    cards = overview.overview(signed_in(request))
    return render(request, "projects/index.html", {"cards": cards})


def wants_saving(request: HttpRequest) -> bool:
    """Return whether a form was sent to be saved, not to preview the guidelines."""
    return request.method == "POST" and "preview" not in request.POST


def form_response(
    request: HttpRequest, template: str, form: SettingsForm, **context: Any
) -> HttpResponse:
    """Render the form with a preview of its guidelines."""
    preview = render_text(form["guidelines"].value() or "").html
    status = 422 if wants_saving(request) and form.errors else 200
    return render(request, template, {"form": form, "preview": preview, **context}, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    user = signed_in(request)
    if not user.is_superuser:
        raise PermissionDenied("Only an administrator can create a project.")
    form = ProjectForm(request.POST or None)
    if wants_saving(request) and form.is_valid():
        project = overview.create(manager=user, project=form.save(commit=False))
        return redirect(project)
    return form_response(request, "projects/new.html", form)


@require_http_methods(["GET", "HEAD", "POST"])
@member_view(Role.MANAGER)
def settings(request: HttpRequest, member: Member) -> HttpResponse:
    # A copy: the header must not show refused values.
    form = SettingsForm(request.POST or None, instance=copy(member.project))
    if wants_saving(request) and form.is_valid():
        form.save()
        messages.success(request, "The settings are saved.")
        return redirect("project_settings", member.project.slug)
    context = {
        "member": member,
        "project": member.project,
        "no_gold": controls.lacks_gold(member.project),
    }
    return form_response(request, "projects/settings.html", form, **context)


@require_POST
def preview(request: HttpRequest) -> HttpResponse:
    """Render guidelines as labellers will see them."""
    text = render_text(request.POST.get("guidelines", "")).html
    return render(request, "projects/_preview.html", {"preview": text})


@require_safe
@member_view()
def detail(request: HttpRequest, member: Member) -> HttpResponse:
    yours = assignments.waiting_for(member) if member.pk else 0
    counts = overview.cached_counts(member.project)
    context = {
        "member": member,
        "project": member.project,
        "guidelines": render_text(member.project.guidelines).html,
        "counts": counts.value,
        "counted_at": counts.counted_at,
        "quality": overview.quality(member.project) if member.sees_scores else None,
        "naming": prompts.naming_themselves(member.project).count() if member.sees_scores else 0,
        "yours": yours,
        "many_yours": yours >= assignments.COUNTED,
        "own": assignments.progress(member) if member.pk else None,
    }
    return render(request, "projects/detail.html", context)
