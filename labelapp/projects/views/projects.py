"""The pages to list projects, and to create one, change its settings or delete it."""

from copy import copy
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, ngettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from labelapp.db.writer import write
from labelapp.labelling import controls
from labelapp.models import Member, Project, Role
from labelapp.projects import archiving, deletion, duplication, overview, tasks
from labelapp.projects.creation import SlugTakenError
from labelapp.projects.forms.confirm import ConfirmForm
from labelapp.projects.forms.new_project import SLUG_TAKEN, DuplicateForm
from labelapp.projects.forms.projects import SettingsForm
from labelapp.projects.prompt_queue import queued, set_rankings_wanted
from labelapp.rendering.texts import render_text
from labelapp.web.access import (
    may_create_projects,
    member_view,
    require_creator,
    signed_in,
    when_archived,
)
from labelapp.web.middleware import translated

# The headings of what is deleted with a project, by deletion.count's names.
DELETED = {
    "prompt": ngettext_lazy("prompt", "prompts"),
    "deleted prompt": ngettext_lazy("deleted prompt", "deleted prompts"),
    "response": ngettext_lazy("response", "responses"),
    "ranking": ngettext_lazy("ranking", "rankings"),
    "comment": ngettext_lazy("comment", "comments"),
    "member": ngettext_lazy("member", "members"),
    "imported name": ngettext_lazy("imported name", "imported names"),
    "training run": ngettext_lazy("training run", "training runs"),
    "upload": ngettext_lazy("upload", "uploads"),
    "export": ngettext_lazy("export", "exports"),
}


@translated
@require_safe
def index(request: HttpRequest) -> HttpResponse:
    user = signed_in(request)
    context: dict[str, Any] = {
        "cards": overview.overview(user),
        "archived": overview.archived(user),
        "may_create": may_create_projects(user),
    }
    if user.is_superuser:
        context["deleting"] = Project.objects.filter(deleted_at__isnull=False)
    return render(request, "projects/index.html", context)


@translated
@require_safe
def switch(request: HttpRequest) -> HttpResponse:
    """Return the projects that the user can go to from the header."""
    here = request.GET.get("here", "")
    context = {
        "projects": overview.to_switch_to(signed_in(request)),
        "archived": overview.archived(signed_in(request))[: overview.SWITCHED],
        "here": int(here) if here.isascii() and here.isdecimal() else None,
    }
    return render(request, "projects/_switcher.html", context)


def wants_saving(request: HttpRequest) -> bool:
    """Return whether a form was sent to be saved, and not to preview the guidelines."""
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
@member_view(Role.MANAGER)
def settings(request: HttpRequest, member: Member) -> HttpResponse:
    if wants_saving(request):
        form = save_settings(request, member)
        if form.is_saved:
            messages.success(request, saved_message(form))
            return redirect("project_settings", member.project.slug)
    else:
        # A copy: the header must not show what was entered.
        form = SettingsForm(request.POST or None, instance=copy(member.project))
    context = {
        "no_gold": controls.lacks_gold(member.project),
        "may_create": may_create_projects(signed_in(request)),
        "may_delete": deletion.may_delete(member),
    }
    return form_response(request, "projects/settings.html", form, **context)


def saved_message(form: SettingsForm) -> str:
    if form.prompts_changed is None:
        return _("The settings are saved.")
    return ngettext(
        "The settings are saved, and %(number)s prompt is changed.",
        "The settings are saved, and %(number)s prompts are changed.",
        form.prompts_changed,
    ) % {"number": form.prompts_changed}


def save_settings(request: HttpRequest, member: Member) -> SettingsForm:
    """Save the settings if they are valid, and the page has shown those that are stored now.

    A new number of rankings needs an answer: does it count for the prompts that are here, too?
    The project is locked: of two who save at once, the second sees what the first has saved.
    """
    with write():
        project = Project.objects.select_for_update(no_key=True).get(pk=member.project_id)
        form = SettingsForm(request.POST, instance=project)
        if not form.is_stale and form.is_valid() and not asks_about_prompts(form):
            form.save()
            form.is_saved = True
            if form.cleaned_data["present"] == "yes":
                wanted = project.rankings_per_prompt
                form.prompts_changed = set_rankings_wanted(project=project, wanted=wanted)
    return form


def asks_about_prompts(form: SettingsForm) -> bool:
    """Return whether it is to be asked if a change counts for the prompts that are here, too."""
    if "rankings_per_prompt" not in form.changed_data or form.cleaned_data["present"]:
        return False
    form.prompts_here = queued(form.instance).count()
    return form.prompts_here > 0


@require_POST
@member_view(Role.MANAGER)
def archive(request: HttpRequest, member: Member) -> HttpResponse:
    archiving.archive(member.project, by=signed_in(request).username)
    return redirect(member.project)


@require_POST
@member_view(Role.MANAGER)
@when_archived
def restore(request: HttpRequest, member: Member) -> HttpResponse:
    if archiving.restore(member.project, by=signed_in(request).username):
        name = {"name": member.project.name}
        messages.success(request, _("%(name)s is open again.") % name)
    return redirect(member.project)


@require_http_methods(["GET", "HEAD", "POST"])
@member_view(Role.MANAGER)
@when_archived
def duplicate(request: HttpRequest, member: Member) -> HttpResponse:
    user, project = require_creator(request), member.project
    longest = 100 - len(_("Copy of %(name)s") % {"name": ""})
    initial = {"name": _("Copy of %(name)s") % {"name": project.name[:longest]}}
    form = DuplicateForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        copies = form.cleaned_data["with_prompts"]
        try:
            made = duplication.duplicate(
                project,
                name=form.cleaned_data["name"],
                slug=form.cleaned_data["slug"],
                user=user,
                with_members=form.cleaned_data["with_members"],
                enqueue_prompts=tasks.copy_prompts.enqueue if copies else None,
            )
        except SlugTakenError:
            form.add_error("slug", SLUG_TAKEN)
        else:
            said = _("%(name)s is created.") % {"name": made.name}
            if copies:
                said = f"{said} {_('Its prompts are being copied in the background.')}"
            messages.success(request, said)
            return redirect(made)
    context = {"form": form}
    status = 422 if request.method == "POST" else 200
    return render(request, "projects/duplicate.html", context, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
@member_view(Role.MANAGER)
@when_archived
def delete(request: HttpRequest, member: Member) -> HttpResponse:
    """Have a project deleted in the background by somebody who types its name."""
    if not deletion.may_delete(member):
        raise PermissionDenied(_("Only an administrator can delete a project that has rankings."))
    user, project = signed_in(request), member.project
    form = ConfirmForm(project.name, request.POST or None)
    if request.method == "POST" and form.is_valid():
        deletion.begin(project, by=user.username, enqueue=tasks.delete_project.enqueue)
        return redirect("projects")
    context = {
        "form": form,
        "counts": [
            (DELETED[noun] % number, number) for noun, number in deletion.count(project).items()
        ],
    }
    status = 422 if request.method == "POST" else 200
    return render(request, "projects/delete.html", context, status=status)


@require_POST
@member_view(Role.MANAGER)
@when_archived
def preview(request: HttpRequest, member: Member) -> HttpResponse:
    """Render guidelines as labellers will see them."""
    context = preview_of(request.POST.get("guidelines", ""))
    status = 422 if "preview_problem" in context else 200
    return render(request, "projects/_preview.html", context, status=status)
