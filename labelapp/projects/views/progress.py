"""The page of a campaign's progress, where managers can pause it."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from labelapp.models import Member, Role
from labelapp.projects import progress
from labelapp.projects.burndown import burndown
from labelapp.projects.days_chart import days_chart
from labelapp.web.access import REVIEWERS, member_view

PERIODS = (14, 30)  # days in the chart


def context(request: HttpRequest, member: Member) -> dict[str, Any]:
    project = member.project
    cached = progress.cached_progress(project)
    totals, days = cached.value.totals, cached.value.days
    period = PERIODS[1] if request.GET.get("days") == str(PERIODS[1]) else PERIODS[0]
    forecast = progress.forecast(totals=totals, days=days, paused=project.paused)
    return {
        "totals": totals,
        "period": period,
        "periods": PERIODS,
        "days_chart": days_chart(days[-period:], cached.value.labellers),
        "burndown": burndown(days, totals.rankings_left, forecast),
        "forecast": forecast,
        "labellers": cached.value.labellers,
        "counted_at": cached.counted_at,
        "open_assignments": progress.open_assignments(project),
        "now": timezone.now(),
    }


@require_safe
@member_view(*REVIEWERS)
def index(request: HttpRequest, member: Member) -> HttpResponse:
    return render(request, "projects/progress/index.html", context(request, member))


@require_safe
@member_view(*REVIEWERS)
def live(request: HttpRequest, member: Member) -> HttpResponse:
    """Return the figures of the page, which refreshes itself."""
    return render(request, "projects/progress/_figures.html", context(request, member))


@require_POST
@member_view(Role.MANAGER)
def pause(request: HttpRequest, member: Member) -> HttpResponse:
    """Pause with paused=1, and resume without."""
    progress.set_paused(project=member.project, paused=request.POST.get("paused") == "1")
    return redirect("progress", member.project.slug)
