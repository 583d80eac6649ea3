"""The list of runs, the form that starts one, and the page that compares them."""

import re
from typing import Any

from csp.decorators import csp_exempt
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe

from labelapp.jobs import jobs
from labelapp.models import Member, Project, State
from labelapp.runs import (
    caveats,
    choice,
    compare_curves,
    comparing,
    comparison_table,
    flips,
    interval_plots,
    lifecycle,
    tasks,
)
from labelapp.runs import tensorboard as board
from labelapp.runs.forms import TrainForm
from labelapp.web.access import REVIEWERS, member_view, signed_in

FLIPS_PER_PAGE = 10


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@member_view(*REVIEWERS)
def index(request: HttpRequest, member: Member) -> HttpResponse:
    if request.method == "POST":
        if not member.manages:
            raise PermissionDenied("Only a manager of the project can start training.")
        return start(request, member)
    form = TrainForm(project=member.project)
    form.initial = settings_again(member.project, request.GET.get("again", ""))
    return list_response(request, member, form)


def settings_again(project: Project, number: str) -> dict[str, Any]:
    """Return the settings of the run with this number, to begin the form with; {} for none."""
    pk = int(number) if re.fullmatch(r"[0-9]{1,18}", number) else 0
    run = project.runs.filter(pk=pk).first()
    return comparing.full_config(run) if run else {}


def list_response(
    request: HttpRequest, member: Member, form: TrainForm, status: int = 200
) -> HttpResponse:
    jobs.mark_lost(member.project.runs.all())
    page = Paginator(member.project.runs.all(), 20).get_page(request.GET.get("page"))
    marked = caveats.comparison_marks(page.object_list)
    context = {
        "member": member,
        "project": member.project,
        "runs": page,
        "rows": [
            (run, choice.model_name(run), mark, caveats.few_prompts(run.held_out))
            for run, mark in marked
        ],
        "different_comparisons": any(mark for _, mark in marked),
        "form": form,
        "can_compare": sum(run.state == State.DONE for run in page.object_list) > 1,
        "chosen": request.GET.getlist("run"),
        "blocked": lifecycle.reason_not_to_start(member.project),
    }
    return render(request, "runs/list.html", context, status=status)


def start(request: HttpRequest, member: Member) -> HttpResponse:
    form = TrainForm(request.POST, project=member.project)
    if form.is_valid():
        try:
            run = lifecycle.start(
                project=member.project,
                config=form.config,
                user=signed_in(request),
                enqueue=tasks.train.enqueue,
            )
        except lifecycle.CannotTrainError as error:
            form.add_error(None, str(error))
        else:
            return redirect("run", member.project.slug, run.pk)
    return list_response(request, member, form, status=422)


@require_safe
@never_cache
@member_view(*REVIEWERS)
def compare(request: HttpRequest, member: Member) -> HttpResponse:
    context: dict[str, object] = {"member": member, "project": member.project}
    try:
        runs = comparing.chosen_runs(member.project, request.GET.getlist("run"))
    except comparing.CannotCompareError as error:
        return render(request, "runs/compare.html", context | {"refused": str(error)})
    comparison = comparing.compare(runs, request.GET.get("reference", ""))
    query = "&".join(f"run={run.pk}" for run in runs)
    context |= {
        "comparison": comparison,
        "verdict": comparing.verdict(comparison),
        "plots": interval_plots.plots(comparison),
        "sections": comparison_table.sections(comparison),
        "query": query,
        "curves": compare_curves.curves_of_runs(
            [one.run for one in comparison.runs], [one.run for one in comparison.apart]
        ),
        **flips_context(request, comparison, query),
    }
    return render(request, "runs/compare.html", context)


def flips_context(
    request: HttpRequest, comparison: comparing.RunComparison, query: str
) -> dict[str, object]:
    """Return a page of the pairs that two of the runs order differently.

    Without a choice, the two are the reference and the most accurate of the others.
    """
    first, second = comparing.pair(
        comparison, request.GET.get("first", ""), request.GET.get("second", "")
    )
    found = flips.flips(first, second)
    counts = flips.counts(found)
    kind = request.GET.get("kind", "")
    if kind not in counts:
        kind = next((name for name in flips.KINDS if counts[name]), flips.KINDS[0])
    of_kind = [flip for flip in found if flip.kind == kind]
    page = Paginator(of_kind, FLIPS_PER_PAGE).get_page(request.GET.get("page"))
    pair = f"{query}&reference={comparison.reference.run.pk}&first={first.pk}&second={second.pk}"
    return {
        "first": first,
        "second": second,
        "kind": kind,
        "kinds": [(name, counts[name]) for name in flips.KINDS],
        "flips": flips.show(list(page.object_list), first, second),
        "page": page,
        "pair_query": pair,
    }


@csrf_exempt  # TensorBoard's pages send no token, and its requests change nothing
@csp_exempt()  # it sends a policy of its own
@require_http_methods(["GET", "HEAD", "POST"])
def tensorboard(request: HttpRequest, path: str = "") -> HttpResponseBase:
    """Pass a request on to TensorBoard, which shows the runs of all projects."""
    if not signed_in(request).is_staff:
        raise PermissionDenied("Only administrators can open TensorBoard: it shows all projects.")
    try:
        return board.answer(request, path)
    except board.NotRunningError as error:
        return render(request, "runs/no_tensorboard.html", {"reason": str(error)}, status=503)
