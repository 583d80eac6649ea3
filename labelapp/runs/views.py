"""The pages of training runs: start, follow, stop, resume and compare them, and read their logs."""

from dataclasses import fields

from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from labelapp.jobs import jobs
from labelapp.models import Member, Role, State, TrainingRun
from labelapp.runs import (
    caveats,
    choice,
    compare_curves,
    comparing,
    comparison_table,
    flips,
    interval_plots,
    lifecycle,
    process,
    run_curves,
    scores,
    tasks,
)
from labelapp.runs.forms import TrainForm, in_words_of_the_form
from labelapp.web.access import REVIEWERS, member_view, signed_in
from training.config import TrainConfig, settings_used

LOG_BYTES = 200_000
FLIPS_PER_PAGE = 10


def run_context(member: Member, pk: int) -> dict[str, object]:
    run = get_object_or_404(TrainingRun, pk=pk, project=member.project)
    folder = process.run_folder(run)
    return {
        "member": member,
        "project": member.project,
        "run": run,
        "model_name": choice.model_name(run),
        "reason": in_words_of_the_form(run.reason),
        "settings": given_settings(run),
        "aggregation": scores.aggregation_of(run),
        "folder": folder.model,
        "caveats": caveats.caveat_sentences(run.metrics),
        "few_prompts": caveats.few_prompts(run.held_out),
        "choice": choice.choice_context(run),
        "curves": run_curves.loss_of_run(run),
        "can_resume": lifecycle.can_resume(run),
        "is_trained": folder.is_trained,
    }


def given_settings(run: TrainingRun) -> list[tuple[str, object]]:
    """Return the settings of a run that have a value and an effect on its model."""
    known = {field.name for field in fields(TrainConfig)}
    backbone = str(run.config.get("backbone", ""))
    unused = known - settings_used(backbone, network=choice.may_have_network(run))
    return [
        (name, value)
        for name, value in run.config.items()
        if value not in (None, "") and name not in unused
    ]


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@member_view(*REVIEWERS)
def index(request: HttpRequest, member: Member) -> HttpResponse:
    if request.method == "POST":
        if not member.manages:
            raise PermissionDenied("Only a manager of the project can start training.")
        return start(request, member)
    return list_response(request, member, TrainForm(project=member.project))


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
def detail(request: HttpRequest, member: Member, pk: int) -> HttpResponse:
    jobs.mark_lost(member.project.runs.all())
    return render(request, "runs/detail.html", run_context(member, pk))


@require_safe
@never_cache
@member_view(*REVIEWERS)
def progress(request: HttpRequest, member: Member, pk: int) -> HttpResponse:
    jobs.mark_lost(member.project.runs.all())
    return render(request, "runs/_progress.html", run_context(member, pk))


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


@require_POST
@member_view(Role.MANAGER)
def stop(request: HttpRequest, member: Member, pk: int) -> HttpResponse:
    run = get_object_or_404(TrainingRun, pk=pk, project=member.project)
    lifecycle.stop(run)
    return redirect("run", member.project.slug, run.pk)


@require_POST
@member_view(Role.MANAGER)
def resume(request: HttpRequest, member: Member, pk: int) -> HttpResponse:
    run = get_object_or_404(TrainingRun, pk=pk, project=member.project)
    try:
        lifecycle.resume(run, tasks.train.enqueue)
    except lifecycle.CannotTrainError as error:
        context = run_context(member, pk) | {"refused": str(error)}
        return render(request, "runs/detail.html", context, status=422)
    return redirect("run", member.project.slug, run.pk)


@require_safe
@never_cache
@member_view(*REVIEWERS)
def log(request: HttpRequest, member: Member, pk: int) -> HttpResponse:
    run = get_object_or_404(TrainingRun, pk=pk, project=member.project)
    text = process.tail(process.log_path(run), LOG_BYTES) if run.folder else ""
    context = {"member": member, "project": member.project, "run": run, "log": text}
    return render(request, "runs/log.html", context | {"truncated": len(text) >= LOG_BYTES})
