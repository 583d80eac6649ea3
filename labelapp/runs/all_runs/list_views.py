"""The pages that list runs, describe them, and start one."""

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from labelapp.jobs import jobs
from labelapp.models import Member, TrainingRun
from labelapp.runs import choice
from labelapp.runs.aliases import aliases_of
from labelapp.runs.all_runs.list_page import list_context
from labelapp.runs.starting import start_page
from labelapp.runs.starting.forms import AboutForm
from labelapp.runs.time_left import time_left
from labelapp.web.access import REVIEWERS, member_view, require_trainer, trainer_view
from labelapp.web.middleware import PageRequest


@require_http_methods(["GET", "HEAD", "POST"])
@member_view(*REVIEWERS)
def index(request: PageRequest, member: Member) -> HttpResponse:
    """List the runs; a POST starts one."""
    if request.method == "POST":
        require_trainer(member)
        return start_page.start(request, member)
    return list_response(request, member)


def list_response(request: PageRequest, member: Member) -> HttpResponse:
    """Render the list, or only the part that changes for a request of htmx."""
    template = "runs/_list.html" if request.htmx else "runs/list.html"
    return render(request, template, list_context(request, member))


@require_safe
@member_view(*REVIEWERS)
def state(request: PageRequest, member: Member, pk: int) -> HttpResponse:
    """Return the state of a run while it is active, and then the whole list anew."""
    jobs.mark_lost(member.project.runs.all())
    run = get_object_or_404(TrainingRun, pk=pk, project=member.project)
    if not run.is_active:
        # Somebody may be editing a name.
        context = list_context(request, member) | {"keeps_names": True}
        answer = render(request, "runs/_list.html", context)
        answer["HX-Retarget"], answer["HX-Reswap"] = "#runs", "outerHTML"
        return answer
    context = {
        "project": member.project,
        "run": run,
        "time_left": time_left(run),
        "query": request.GET.urlencode(),
    }
    return render(request, "runs/_row_state.html", context)


@require_safe
@member_view(*REVIEWERS)
def about(request: PageRequest, member: Member, pk: int) -> HttpResponse:
    """Return the name, note and tags of a run, in place of the form that edits them."""
    run = get_object_or_404(TrainingRun, pk=pk, project=member.project)
    return render(request, "runs/_about.html", about_context(request, run))


def about_context(request: PageRequest, run: TrainingRun) -> dict[str, object]:
    return {
        "run": run,
        "aliases": aliases_of(run.project).get(run.pk, []),
        "model_name": choice.model_name(run),
        "query": request.GET.urlencode(),
    }


@require_http_methods(["GET", "HEAD", "POST"])
@trainer_view
def edit(request: PageRequest, member: Member, pk: int) -> HttpResponse:
    """Change the name, note and tags of a run: in its row, or on a page of its own."""
    run = get_object_or_404(TrainingRun, pk=pk, project=member.project)
    in_place = bool(request.htmx)
    context = about_context(request, run)
    form = AboutForm(request.POST or None, instance=run, auto_id=f"run-{pk}-%s")
    if request.method == "POST" and form.is_valid():
        form.save()
        if in_place:
            return render(request, "runs/_about.html", context)
        return back_to_list(request, member)
    status = 422 if form.is_bound else 200
    # What was refused must not stand in the page's heading.
    context |= {"form": form, "run": get_object_or_404(TrainingRun, pk=pk)}
    template = "runs/_about_form.html" if in_place else "runs/edit.html"
    return render(request, template, context, status=status)


@require_POST
@trainer_view
def pin(request: PageRequest, member: Member, pk: int) -> HttpResponse:
    """Pin a run, so that it stands first in the list, or unpin it."""
    runs = TrainingRun.objects.filter(pk=pk, project=member.project)
    if not runs.update(is_pinned=request.POST.get("pinned") == "yes"):
        get_object_or_404(runs)
    if request.htmx:
        return list_response(request, member)
    return back_to_list(request, member)


def back_to_list(request: PageRequest, member: Member) -> HttpResponse:
    query = request.GET.urlencode()
    url = reverse("runs", args=[member.project.slug])
    return redirect(f"{url}?{query}" if query else url)


@require_safe
@trainer_view
def new(request: PageRequest, member: Member) -> HttpResponse:
    """Show the form that starts a run, filled in from a preset or from another run."""
    return start_page.form_response(request, member)


@require_safe
@trainer_view
def estimate(request: PageRequest, member: Member) -> HttpResponse:
    """Say what a run with these settings would have and take."""
    return start_page.estimate_response(request, member)
