"""The page of agreement: show the last measurement, and start a new one."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from labelapp.jobs import jobs
from labelapp.labelling import controls
from labelapp.models import Exclusion, Member
from labelapp.quality import plots, tasks
from labelapp.quality.measurement import last_measurement, start
from labelapp.web.access import REVIEWERS, member_view, signed_in


def context(member: Member) -> dict[str, object]:
    measurement = last_measurement(member.project)
    agreement = measurement.agreement
    people = agreement.people if agreement else []
    members = member.project.members.in_bulk([one.member for one in people if one.member])
    rows = [(members.get(one.member), one) for one in people]
    shown = plots.shown_figures(people)
    return {
        "measurement": measurement,
        "agreement": agreement,
        "figures": agreement.named() if agreement else {},
        "people": rows,
        "shown": shown,
        "plots": plots.labeller_plots(people, members, member.project),
        "more_labellers": len(people) - 1 > plots.MOST,
        "map": plots.heat_map(agreement, members, member.project) if agreement else None,
        "left_out": Exclusion.objects.holding(member.project),
        "with_alerts": [row for row in rows if row[1].alerts],
        "gold_prompts": controls.count_gold(member.project),
        "no_gold": controls.lacks_gold(member.project),
    }


@require_safe
@member_view(*REVIEWERS)
def index(request: HttpRequest, member: Member) -> HttpResponse:
    return render(request, "quality/agreement/index.html", context(member))


@require_safe
@member_view(*REVIEWERS)
def measured(request: HttpRequest, member: Member) -> HttpResponse:
    """Return the body of the page, which refreshes itself during a measurement."""
    return render(request, "quality/agreement/_measured.html", context(member))


@require_POST
@member_view(*REVIEWERS)
def measure(request: HttpRequest, member: Member) -> HttpResponse:
    """Start a measurement, unless one is in progress."""
    start(
        project=member.project,
        user=signed_in(request),
        enqueue=tasks.measure_agreement.enqueue,
    )
    page = "disagreements" if request.POST.get("page") == "disagreements" else "agreement"
    return redirect(page, member.project.slug)


@require_POST
@member_view(*REVIEWERS)
def stop(request: HttpRequest, member: Member) -> HttpResponse:
    """Stop the measurement that is in progress."""
    for measurement in member.project.measurements.active():
        jobs.request_stop(measurement)
    return redirect("agreement", member.project.slug)
