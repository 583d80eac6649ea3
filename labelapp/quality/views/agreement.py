"""Agreement in the page: the figures that were measured last, and measuring anew."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from labelapp.jobs import jobs
from labelapp.labelling import controls
from labelapp.models import Member, Role
from labelapp.quality import tasks
from labelapp.quality.measurement import last_measurement, start
from labelapp.web.access import member_view, signed_in

SEERS = (Role.MANAGER, Role.REVIEWER)


def context(member: Member) -> dict[str, object]:
    measurement = last_measurement(member.project)
    found = measurement.agreement
    people = found.people if found else []
    members = member.project.members.in_bulk([one.member for one in people if one.member])
    rows = [(members.get(one.member), one) for one in people]
    return {
        "member": member,
        "project": member.project,
        "measurement": measurement,
        "agreement": found,
        "figures": found.named() if found else {},
        "people": rows,
        "alarmed": [row for row in rows if row[1].alarms],
        "gold_prompts": controls.count_gold(member.project),
        "no_gold": controls.lacks_gold(member.project),
    }


@require_safe
@never_cache
@member_view(*SEERS)
def index(request: HttpRequest, member: Member) -> HttpResponse:
    return render(request, "quality/agreement/index.html", context(member))


@require_safe
@never_cache
@member_view(*SEERS)
def measured(request: HttpRequest, member: Member) -> HttpResponse:
    """The page's body, which asks for itself while figures are on their way."""
    return render(request, "quality/agreement/_measured.html", context(member))


@require_POST
@member_view(*SEERS)
def measure(request: HttpRequest, member: Member) -> HttpResponse:
    """Measure anew, unless that is under way."""
    start(
        project=member.project,
        user=signed_in(request),
        enqueue=tasks.measure_agreement.enqueue,
    )
    page = "disagreements" if request.POST.get("page") == "disagreements" else "agreement"
    return redirect(page, member.project.slug)


@require_POST
@member_view(*SEERS)
def stop(request: HttpRequest, member: Member) -> HttpResponse:
    for measurement in member.project.measurements.active():
        jobs.request_stop(measurement)
    return redirect("agreement", member.project.slug)
