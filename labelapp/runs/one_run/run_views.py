"""The pages of one run: its tabs, its progress, its files, and what can be done with it."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from labelapp.jobs import jobs
from labelapp.models import Member, ModelVersion, Role, State, TrainingRun
from labelapp.runs import caveats, choice, lifecycle, process, run_verdict, scores, tasks
from labelapp.runs.aliases import aliases_of, champion_of
from labelapp.runs.curves import SMOOTHING
from labelapp.runs.one_run import (
    breakdowns,
    data_summary,
    run_curves,
    run_errors,
    run_files,
    run_plots,
    settings_table,
)
from labelapp.runs.one_run.asked_rankings import asked_rankings
from labelapp.runs.starting.forms import in_words_of_the_form
from labelapp.runs.time_left import time_left
from labelapp.templatetags.stored import stored
from labelapp.web.access import REVIEWERS, View, member_view, trainer_view, when_archived

TABS = [
    ("run", gettext_lazy("Overview")),
    ("run_curves", gettext_lazy("Curves")),
    ("run_errors", gettext_lazy("Errors")),
    ("run_data", gettext_lazy("Data")),
    ("run_settings", gettext_lazy("Settings")),
    ("run_files", gettext_lazy("Files")),
    ("run_log", gettext_lazy("Log")),
]
"""The names of the tabs' addresses, and their titles."""
LOG_BYTES = 200_000
ERRORS_PER_PAGE = 10

TabView = Callable[[HttpRequest, Member, TrainingRun], dict[str, Any]]


def get_run(member: Member, pk: int) -> TrainingRun:
    """Return a run of the member's project, once runs without a worker are settled."""
    jobs.mark_lost(member.project.runs.all())
    return get_object_or_404(TrainingRun, pk=pk, project=member.project)


def head_context(run: TrainingRun) -> dict[str, Any]:
    """Return what the head of every tab shows."""
    return {
        "run": run,
        "aliases": aliases_of(run.project).get(run.pk, []),
        "model_name": choice.model_name(run),
        "reason": stored(run.reason, put=in_words_of_the_form),
        "aggregation": scores.aggregation_of(run),
        "can_resume": lifecycle.can_resume(run),
        "is_elsewhere": process.is_elsewhere(run),
        "is_trained": process.run_folder(run).is_trained,
        "board_query": run_files.board_query(run),
        "time_left": time_left(run),
        "device": data_summary.manifest_of(run).get("device", ""),
        "version": ModelVersion.objects.filter(run=run).first(),
    }


def tab(name: str) -> Callable[[TabView], View]:
    """Make a page of the run from a function that returns what the tab `name` shows."""

    def decorate(view: TabView) -> View:
        @require_safe
        @member_view(*REVIEWERS)
        def page(request: HttpRequest, member: Member, pk: int) -> HttpResponse:
            run = get_run(member, pk)
            return tab_response(request, run, name, view(request, member, run))

        return page

    return decorate


def tab_response(
    request: HttpRequest,
    run: TrainingRun,
    name: str,
    context: dict[str, Any],
    status: int = 200,
) -> HttpResponse:
    changed = len(settings_table.changed_of(run))
    shown = {"tabs": TABS, "tab": name, "changed": changed} | head_context(run) | context
    return render(request, f"runs/tabs/{name}.html", shown, status=status)


def overview_context(run: TrainingRun) -> dict[str, Any]:
    verdict = run_verdict.verdict_on(run)
    champion = champion_of(run.project).first()
    said = caveats.BESIDE_BASELINES if verdict else ()
    return {
        "verdict": verdict,
        "caveats": caveats.caveat_sentences(run.metrics, left_out=said),
        "few_prompts": caveats.few_prompts(run.held_out),
        "choice": choice.choice_context(run),
        "curves": run_curves.loss_of_run(run),
        "beside": run_plots.accuracy_beside(run, champion),
        "calibrations": run_plots.calibration_plots(run),
        "groups": breakdowns.on_overview(run),
    }


@tab("run")
def overview(request: HttpRequest, member: Member, run: TrainingRun) -> dict[str, Any]:
    return overview_context(run)


@tab("run_curves")
def curves(request: HttpRequest, member: Member, run: TrainingRun) -> dict[str, Any]:
    smoothing = request.GET.get("smoothing", "")
    if smoothing not in SMOOTHING:
        smoothing = run_curves.DEFAULT_SMOOTHING
    is_log = request.GET.get("scale") == "log"
    return {
        "smoothing": smoothing,
        "choices": list(SMOOTHING),
        "is_log": is_log,
        "sections": run_curves.curves_of_run(run, smoothing, is_log=is_log),
    }


@tab("run_errors")
def errors(request: HttpRequest, member: Member, run: TrainingRun) -> dict[str, Any]:
    if run.state != State.DONE:
        return {}
    found = run_errors.errors(run)
    page = Paginator(found.worst, ERRORS_PER_PAGE).get_page(request.GET.get("page"))
    return {
        "pairs": found.pairs,
        "listed": len(found.worst),
        "sample": found.sample,
        "errors": run_errors.show(list(page.object_list), run),
        "page": page,
    }


@tab("run_data")
def data(request: HttpRequest, member: Member, run: TrainingRun) -> dict[str, Any]:
    return {
        "asked": asked_rankings(run),
        "data": data_summary.data_summary(run),
        "groups": breakdowns.breakdowns(run),
    }


@tab("run_settings")
def settings(request: HttpRequest, member: Member, run: TrainingRun) -> dict[str, Any]:
    return {
        "groups": settings_table.grouped_settings(run),
        "command": settings_table.command(run),
        "rankings_since": data_summary.rankings_since(run),
    }


@tab("run_files")
def files(request: HttpRequest, member: Member, run: TrainingRun) -> dict[str, Any]:
    return {
        "files": run_files.files_of(run),
        "can_download": member.may_train and not run.is_active,
        "loading_code": run_files.loading_code(
            run_files.folder_in_archive(run, run_files.MODEL_ARCHIVE),
            own_code=run_files.has_own_code(run),
        ),
        "model_folder": process.run_folder(run).model,
    }


@tab("run_log")
def log(request: HttpRequest, member: Member, run: TrainingRun) -> dict[str, Any]:
    if not run.folder:
        return {"log": ""}
    path = process.log_path(run)
    return {
        "log": process.tail(path, LOG_BYTES),
        "truncated": run_files.bytes_of(path) > LOG_BYTES,
    }


@require_safe
@trainer_view
def file(request: HttpRequest, member: Member, pk: int, name: str) -> HttpResponseBase:
    """Send a file of a run that has ended, or an archive of several."""
    run = get_run(member, pk)
    if run.is_active:
        raise Http404("The files can be downloaded when the run has ended.")
    if path := run_files.file_path(run, name):
        return FileResponse(path.open("rb"), as_attachment=True, filename=f"run-{run.pk}-{name}")
    archive = run_files.archive_of(run, name)
    if archive is None:
        raise Http404("The run has no such file.")
    header = content_disposition_header(as_attachment=True, filename=f"run-{run.pk}-{name}")
    headers = {"Content-Disposition": str(header)}
    return StreamingHttpResponse(archive, content_type="application/zip", headers=headers)


@require_safe
@member_view(*REVIEWERS)
def progress(request: HttpRequest, member: Member, pk: int) -> HttpResponse:
    return render(request, "runs/_head.html", head_context(get_run(member, pk)))


@require_POST
@trainer_view
@when_archived
def stop(request: HttpRequest, member: Member, pk: int) -> HttpResponse:
    run = get_object_or_404(TrainingRun, pk=pk, project=member.project)
    lifecycle.stop(run)
    return redirect("run", member.project.slug, run.pk)


@require_POST
@trainer_view
def resume(request: HttpRequest, member: Member, pk: int) -> HttpResponse:
    run = get_object_or_404(TrainingRun, pk=pk, project=member.project)
    try:
        lifecycle.resume(run, tasks.train.enqueue)
    except lifecycle.CannotTrainError as error:
        context = overview_context(run) | {"refused": str(error)}
        return tab_response(request, run, "run", context, status=422)
    return redirect("run", member.project.slug, run.pk)


@require_http_methods(["GET", "HEAD", "POST"])
@member_view(Role.MANAGER)
def delete(request: HttpRequest, member: Member, pk: int) -> HttpResponse:
    """Delete a run with its files, once a manager has confirmed it."""
    run = get_run(member, pk)
    refused = lifecycle.reason_not_to_delete(run)
    if request.method == "POST" and not refused:
        try:
            lifecycle.delete(run)
        except lifecycle.CannotDeleteError as error:
            refused = str(error)
        else:
            messages.success(
                request, _("Run %(number)s was deleted with its files.") % {"number": pk}
            )
            return redirect("runs", member.project.slug)
    context = {
        "run": run,
        "refused": refused,
        "scores": run.scores.count(),
        "size": run_files.size_of(run),
        "is_elsewhere": process.is_elsewhere(run),
    }
    status = 422 if request.method == "POST" else 200
    return render(request, "runs/delete.html", context, status=status)
