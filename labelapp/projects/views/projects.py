"""The pages to list projects, show one, and create one or change its settings."""

from copy import copy
from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from labelapp.db.writer import write
from labelapp.labelling import assignments, controls
from labelapp.models import Member, Project, Role
from labelapp.projects import deletion, overview, tasks
from labelapp.projects.forms.confirm import ConfirmForm
from labelapp.projects.forms.projects import ProjectForm, SettingsForm
from labelapp.projects.prompt_filters import naming_themselves
from labelapp.rendering.texts import render_text
from labelapp.web.access import member_view, require_administrator, signed_in
from labelapp.web.middleware import translated


@translated
@require_safe
def index(request: HttpRequest) -> HttpResponse:
    user = signed_in(request)
    context: dict[str, Any] = {"cards": overview.overview(user)}
    if user.is_superuser:
        context["deleting"] = Project.objects.filter(deleted_at__isnull=False)
    return render(request, "projects/index.html", context)


def wants_saving(request: HttpRequest) -> bool:
    """Return whether a form was sent to be saved, not to preview the guidelines."""
    return request.method == "POST" and "preview" not in request.POST


def form_response(
    request: HttpRequest, template: str, form: SettingsForm, **context: Any
) -> HttpResponse:
    """Render the form with a preview of its guidelines."""
    status = 200
    if wants_saving(request):
        status = 409 if form.is_stale else 422 if form.errors else 200
    context |= {"form": form} | preview_of(form["guidelines"].value() or "")
    return render(request, template, context, status=status)


def preview_of(guidelines: str) -> dict[str, object]:
    """Return the context of a preview: rendered guidelines, or the problem with them."""
    try:
        text = SettingsForm.base_fields["guidelines"].clean(guidelines)
    except ValidationError as error:
        return {"preview_problem": " ".join(error.messages)}
    return {"preview": render_text(text).html}


@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    user = require_administrator(request, "create a project")
    form = ProjectForm(request.POST or None)
    if wants_saving(request) and form.is_valid():
        project = overview.create(manager=user, project=form.save(commit=False))
        return redirect(project)
    return form_response(request, "projects/new.html", form)


@require_http_methods(["GET", "HEAD", "POST"])
@member_view(Role.MANAGER)
def settings(request: HttpRequest, member: Member) -> HttpResponse:
    if wants_saving(request):
        form = save_settings(request, member)
        if not form.is_stale and form.is_valid():
            messages.success(request, "The settings are saved.")
            return redirect("project_settings", member.project.slug)
    else:
        # A copy: the header must not show what was entered.
        form = SettingsForm(request.POST or None, instance=copy(member.project))
    context = {
        "member": member,
        "project": member.project,
        "no_gold": controls.lacks_gold(member.project),
    }
    return form_response(request, "projects/settings.html", form, **context)


def save_settings(request: HttpRequest, member: Member) -> SettingsForm:
    """Save the settings if they are valid, and the page has shown those that are stored now.

    The project is locked: of two who save at once, the second sees what the first has saved.
    """
    with write():
        project = Project.objects.select_for_update(no_key=True).get(pk=member.project_id)
        form = SettingsForm(request.POST, instance=project)
        if not form.is_stale and form.is_valid():
            form.save()
    return form


@require_http_methods(["GET", "HEAD", "POST"])
@member_view()
def delete(request: HttpRequest, member: Member) -> HttpResponse:
    """Have a project deleted in the background by somebody who types its name."""
    user = require_administrator(request, "delete a project")
    project = member.project
    form = ConfirmForm(project.name, request.POST or None)
    if request.method == "POST" and form.is_valid():
        deletion.begin(project, by=user.username, enqueue=tasks.delete_project.enqueue)
        return redirect("projects")
    context = {
        "member": member,
        "project": project,
        "form": form,
        "counts": deletion.count(project),
    }
    status = 422 if request.method == "POST" else 200
    return render(request, "projects/delete.html", context, status=status)


def preview_response(request: HttpRequest) -> HttpResponse:
    """Render guidelines as labellers will see them."""
    context = preview_of(request.POST.get("guidelines", ""))
    status = 422 if "preview_problem" in context else 200
    return render(request, "projects/_preview.html", context, status=status)


@require_POST
@member_view(Role.MANAGER)
def preview(request: HttpRequest, member: Member) -> HttpResponse:
    return preview_response(request)


@require_POST
def new_preview(request: HttpRequest) -> HttpResponse:
    """Render the guidelines of a project that is not created yet."""
    require_administrator(request, "create a project")
    return preview_response(request)


@translated
@require_safe
@member_view()
def detail(request: HttpRequest, member: Member) -> HttpResponse:
    yours = assignments.waiting_for(member) if member.pk else assignments.Waiting(0)
    counts = overview.cached_counts(member.project)
    context = {
        "member": member,
        "project": member.project,
        "guidelines": render_text(member.project.guidelines).html,
        "counts": counts.value,
        "counted_at": counts.counted_at,
        "quality": overview.quality(member.project) if member.sees_scores else None,
        "naming": naming_themselves(member.project).count() if member.sees_scores else 0,
        "yours": yours,
        "own": assignments.progress(member) if member.pk else None,
    }
    return render(request, "projects/detail.html", context)
