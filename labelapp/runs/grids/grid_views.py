"""The pages of grids: the form that starts one, their list, and the page of each."""

import uuid
from typing import Any

from django.contrib import messages
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from labelapp.jobs import jobs
from labelapp.models import ACTIVE, Grid, Member, Role, State
from labelapp.runs import lifecycle, tasks
from labelapp.runs.grids import grid_lifecycle
from labelapp.runs.grids.grid_estimate import total_seconds
from labelapp.runs.grids.grid_form import PRESETS, GridForm, preset
from labelapp.runs.grids.grid_page import progress_context
from labelapp.runs.grids.grid_results import varied_in_words
from labelapp.runs.starting.start_page import checked, form_context
from labelapp.runs.words import rounded
from labelapp.web.access import REVIEWERS, member_view, signed_in, trainer_view, when_archived


def get_grid(member: Member, pk: int) -> Grid:
    """Return a grid of the member's project, once runs without a worker are settled."""
    jobs.mark_lost(member.project.runs.all())
    return get_object_or_404(Grid, pk=pk, project=member.project)


@require_safe
@member_view(*REVIEWERS)
def index(request: HttpRequest, member: Member) -> HttpResponse:
    """List the grids of the project, the newest first."""
    jobs.mark_lost(member.project.runs.all())
    grids = member.project.grids.select_related("created_by").order_by("-pk").annotate(
        number=Count("runs"),
        done=Count("runs", filter=Q(runs__state=State.DONE)),
        active=Count("runs", filter=Q(runs__state__in=ACTIVE)),
    )  # fmt: skip
    with_lines = [(grid, varied_in_words(grid)) for grid in grids]
    context = {"grids": with_lines}
    return render(request, "runs/grids/list.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@trainer_view
def new(request: HttpRequest, member: Member) -> HttpResponse:
    """Show the form that starts a grid; a POST starts it."""
    if request.method != "POST":
        chosen = preset(request.GET.get("preset", ""))
        given = GridForm(request.GET, project=member.project) if "form" in request.GET else None
        form = given or GridForm(
            project=member.project, initial={"form_key": uuid.uuid4(), **chosen.settings}
        )
        return form_response(request, member, form, chosen=None if given else chosen)
    form = GridForm(request.POST, project=member.project)
    if form.is_valid():
        try:
            grid = grid_lifecycle.start(
                project=member.project,
                configs=form.configs,
                varied=form.varied,
                user=signed_in(request),
                enqueue=tasks.train.enqueue,
                form_key=form.cleaned_data["form_key"],
            )
        except lifecycle.CannotTrainError as error:
            form.add_error(None, str(error))
        else:
            return redirect("grid", member.project.slug, grid.pk)
    return form_response(request, member, form, status=422)


def form_response(
    request: HttpRequest, member: Member, form: GridForm, status: int = 200, **extra: Any
) -> HttpResponse:
    estimated = estimate_context(member, form)
    context = form_context(member, form) | {"presets": PRESETS} | estimated | extra
    return render(request, "runs/grids/new.html", context, status=status)


def estimate_context(member: Member, form: GridForm) -> dict[str, Any]:
    """Return the number of runs with the settings of the form, and the time that they take."""
    form = checked(form, member.project)
    if not form.is_valid():
        return {"number": 0}
    seconds = total_seconds(member.project, form.configs)
    return {
        "number": len(form.configs),
        "time": "" if seconds is None else rounded(seconds),
    }


@require_safe
@trainer_view
def estimate(request: HttpRequest, member: Member) -> HttpResponse:
    """Say how many runs a grid with these settings has, and how long they take."""
    form = GridForm(request.GET, project=member.project)
    return render(request, "runs/grids/_estimate.html", estimate_context(member, form))


@require_safe
@member_view(*REVIEWERS)
def page(request: HttpRequest, member: Member, pk: int) -> HttpResponse:
    """Show a grid; while it is active, htmx fetches its part of the page again."""
    context = progress_context(member, get_grid(member, pk))
    is_fragment = bool(getattr(request, "htmx", False))
    template = "runs/grids/_grid.html" if is_fragment else "runs/grids/grid.html"
    return render(request, template, context)


@require_POST
@trainer_view
@when_archived
def stop(request: HttpRequest, member: Member, pk: int) -> HttpResponse:
    grid = get_object_or_404(Grid, pk=pk, project=member.project)
    grid_lifecycle.stop(grid)
    return redirect("grid", member.project.slug, grid.pk)


@require_POST
@trainer_view
def resume(request: HttpRequest, member: Member, pk: int) -> HttpResponse:
    grid = get_object_or_404(Grid, pk=pk, project=member.project)
    grid_lifecycle.resume(grid, tasks.train.enqueue)
    return redirect("grid", member.project.slug, grid.pk)


@require_http_methods(["GET", "HEAD", "POST"])
@member_view(Role.MANAGER)
def delete(request: HttpRequest, member: Member, pk: int) -> HttpResponse:
    """Delete a grid with its runs, once a manager has confirmed it."""
    grid = get_grid(member, pk)
    refused = grid_lifecycle.reason_not_to_delete(grid)
    if request.method == "POST" and not refused:
        try:
            grid_lifecycle.delete(grid)
        except lifecycle.CannotDeleteError as error:
            refused = str(error)
        else:
            messages.success(
                request, _("Grid %(number)s was deleted with its runs.") % {"number": pk}
            )
            return redirect("runs", member.project.slug)
    kept = [] if refused else grid_lifecycle.kept_runs(grid)
    context = {
        "grid": grid,
        "refused": refused,
        "kept": kept,
        "number": grid.runs.count() - len(kept),
    }
    status = 422 if request.method == "POST" else 200
    return render(request, "runs/grids/delete.html", context, status=status)
