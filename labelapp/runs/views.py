"""The page that compares runs, and TensorBoard."""

from csp.decorators import csp_exempt
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe

from labelapp.models import Member
from labelapp.runs import tensorboard as board
from labelapp.runs.comparison import (
    compare_curves,
    comparing,
    comparison_plots,
    comparison_table,
    comparison_verdict,
    flips,
)
from labelapp.web.access import REVIEWERS, member_view, signed_in

FLIPS_PER_PAGE = 10


@require_safe
@member_view(*REVIEWERS)
def compare(request: HttpRequest, member: Member) -> HttpResponse:
    context: dict[str, object] = {}
    try:
        runs = comparing.chosen_runs(member.project, request.GET.getlist("run"))
    except comparing.CannotCompareError as error:
        return render(request, "runs/compare.html", context | {"refused": str(error)})
    comparison = comparing.compare(runs, request.GET.get("reference", ""))
    query = "&".join(f"run={run.pk}" for run in runs)
    context |= {
        "comparison": comparison,
        "verdict": comparison_verdict.verdict(comparison),
        "plots": comparison_plots.plots(comparison),
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
    kind = request.GET.get("kind", "")
    if kind not in found.counts:
        kind = next((name for name in flips.KINDS if found.counts[name]), flips.KINDS[0])
    page = Paginator(found.listed[kind], FLIPS_PER_PAGE).get_page(request.GET.get("page"))
    pair = f"{query}&reference={comparison.reference.run.pk}&first={first.pk}&second={second.pk}"
    return {
        "first": first,
        "second": second,
        "sample": found.sample,
        "kind": kind,
        "of_kind": found.counts[kind],
        "kinds": [(name, found.counts[name]) for name in flips.KINDS],
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
        raise PermissionDenied(
            _("Only administrators can open TensorBoard: it shows all projects.")
        )
    try:
        return board.answer(request, path)
    except board.NotRunningError as error:
        return render(request, "runs/no_tensorboard.html", {"reason": str(error)}, status=503)
