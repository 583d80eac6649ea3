"""A new project in steps: name, guidelines, file, people.

The first step creates the project, so that every other one can be left and taken up again. The file
is uploaded on the page of uploads, which shows the steps as well.
"""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from labelapp.db.writer import write
from labelapp.models import Member, Project, Role, SetupStep
from labelapp.projects import colleagues, creation, guideline_templates, invitations
from labelapp.projects.forms.colleagues import ColleaguesForm
from labelapp.projects.forms.invitations import InvitationForm
from labelapp.projects.forms.new_project import SLUG_TAKEN, GuidelinesForm, NewProjectForm
from labelapp.projects.views.invitations import link
from labelapp.projects.views.projects import preview_of
from labelapp.web.access import member_view, require_creator, signed_in

PAGES = {
    SetupStep.GUIDELINES: "project_setup_guidelines",
    SetupStep.FILE: "uploads",
    SetupStep.PEOPLE: "project_setup_people",
}


def page_of(project: Project, step: SetupStep) -> str:
    return reverse(PAGES[step], args=[project.slug])


@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    user = require_creator(request)
    form = NewProjectForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        project = form.save(commit=False)
        project.setup_step = SetupStep.GUIDELINES
        try:
            project = creation.create_once(manager=user, project=project)
        except creation.SlugTakenError:
            form.add_error("slug", SLUG_TAKEN)
        else:
            return redirect(page_of(project, SetupStep.GUIDELINES))
    elif list(form.errors) == ["slug"]:  # taken, perhaps by the first click of two
        made = creation.created_just_now(user, form.instance.name, form.instance.slug)
        if made is not None:
            return redirect(page_of(made, SetupStep.GUIDELINES))
    return name_response(request, form)


def name_response(request: HttpRequest, form: NewProjectForm, **context: Any) -> HttpResponse:
    status = 422 if form.errors else 200
    return render(request, "projects/setup/name.html", {"form": form} | context, status=status)


@require_safe
@member_view(Role.MANAGER)
def resume(request: HttpRequest, member: Member) -> HttpResponse:
    """Go on with the step that comes next."""
    step = member.project.setup_step
    return redirect(page_of(member.project, SetupStep(step)) if step else member.project)


@require_http_methods(["GET", "HEAD", "POST"])
@member_view(Role.MANAGER)
def name(request: HttpRequest, member: Member) -> HttpResponse:
    """Change what the first step has set."""
    with write():
        stored = lock(member)  # another instance: the header shows what is stored
        form = NewProjectForm(request.POST or None, instance=stored)
        if request.method == "POST" and form.is_valid():
            stored.slug = stored.slug or member.project.slug
            try:
                creation.change(stored, form.columns)
            except creation.SlugTakenError:
                form.add_error("slug", SLUG_TAKEN)
            else:
                return redirect(page_of(stored, SetupStep.GUIDELINES))
    return name_response(request, form, member=member, project=member.project)


def lock(member: Member) -> Project:
    """Return the member's project, locked: of two who save at once, one waits for the other."""
    return Project.objects.select_for_update(no_key=True).get(pk=member.project_id)


@require_http_methods(["GET", "HEAD", "POST"])
@member_view(Role.MANAGER)
def guidelines(request: HttpRequest, member: Member) -> HttpResponse:
    data = request.POST.copy() if request.method == "POST" else None
    chosen = request.POST.get("template")
    if data is not None and chosen is not None:
        written = data.get("guidelines", "")
        data["guidelines"] = guideline_templates.begin_with(chosen, written)
    goes_on = data is not None and chosen is None and "preview" not in request.POST
    form = GuidelinesForm(data, instance=Project.objects.get(pk=member.project_id))
    if goes_on and form.is_valid():
        creation.change(form.instance, ["guidelines"])
        reach(member, SetupStep.FILE)
        return redirect(page_of(member.project, SetupStep.FILE))
    context = {
        "form": form,
        "templates": guideline_templates.TEMPLATES,
        "chosen": chosen,
    } | preview_of(form["guidelines"].value() or "")
    status = 422 if goes_on else 200
    return render(request, "projects/setup/guidelines.html", context, status=status)


def reach(member: Member, step: SetupStep) -> None:
    """Record that a step comes next, unless a later one was reached already."""
    steps = list(SetupStep)
    with write():
        project = lock(member)
        if project.setup_step and steps.index(SetupStep(project.setup_step)) < steps.index(step):
            creation.go_to_step(project, step)


@require_POST
@member_view(Role.MANAGER)
def leave_file(request: HttpRequest, member: Member) -> HttpResponse:
    """Go on from the file to the people, with a file or without."""
    reach(member, SetupStep.PEOPLE)
    return redirect(page_of(member.project, SetupStep.PEOPLE))


@require_http_methods(["GET", "HEAD", "POST"])
@member_view(Role.MANAGER)
def people(request: HttpRequest, member: Member) -> HttpResponse:
    """Add people whom the user works with; links are made in the same way as on their page."""
    user = signed_in(request)
    known = colleagues.colleagues(user, member.project)
    adding, inviting = "users" in request.POST or "add" in request.POST, "invite" in request.POST
    form = ColleaguesForm(request.POST if adding else None, users=known)
    invitation = InvitationForm(request.POST if inviting else None, initial={"people": "any"})
    if adding and form.is_valid():
        number = colleagues.add(
            project=member.project,
            users=form.cleaned_data["users"],
            role=form.cleaned_data["added_role"],
        )
        said = ngettext("%(number)s person added.", "%(number)s people added.", number)
        messages.success(request, said % {"number": number})
        return redirect(request.path)
    if inviting and invitation.is_valid():
        created = invitations.create(
            project=member.project,
            role=invitation.cleaned_data["role"],
            lasts=invitation.lasts,
            single=invitation.single,
            user=user,
        )
        messages.success(request, _("Link created. Copy it and send it to the people you invite."))
        return redirect(f"{request.path}#invitation-{created.pk}")
    made = member.project.invitations.with_maker().select_related("created_by")
    context = {
        "form": form,
        "colleagues": list(form["users"])[: colleagues.MOST],
        "invitation_form": invitation,
        "links": [link(request, each) for each in made[:20]],
        "people": member.project.members.filter(is_active=True, user__isnull=False),
    }
    status = 422 if adding or inviting else 200
    return render(request, "projects/setup/people.html", context, status=status)


@require_POST
@member_view(Role.MANAGER)
def finish(request: HttpRequest, member: Member) -> HttpResponse:
    """End the setup."""
    creation.go_to_step(member.project, None)
    messages.success(request, _("%(name)s is set up.") % {"name": member.project.name})
    return redirect(member.project)
