"""The page of a campaign's progress, where managers can pause it."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.formats import date_format
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from labelapp.models import Member, Role
from labelapp.projects import progress
from labelapp.rendering.charts import bar_chart
from labelapp.web.access import REVIEWERS, member_view


@require_safe
@never_cache
@member_view(*REVIEWERS)
def index(request: HttpRequest, member: Member) -> HttpResponse:
    project = member.project
    cached = progress.cached_progress(project)
    totals, days = cached.value.totals, cached.value.days
    context = {
        "member": member,
        "project": project,
        "totals": totals,
        "days": days,
        "bars": bar_chart([(date_format(day.day, "j M"), day.rankings) for day in days]),
        "any_day": any(day.rankings for day in days),
        "forecast": progress.forecast(totals=totals, days=days, paused=project.paused),
        "labellers": cached.value.labellers,
        "counted_at": cached.counted_at,
        "open_assignments": progress.open_assignments(project),
        "now": timezone.now(),
    }
    return render(request, "projects/progress/index.html", context)


@require_POST
@member_view(Role.MANAGER)
def pause(request: HttpRequest, member: Member) -> HttpResponse:
    """Pause with paused=1, and resume without."""
    progress.set_paused(project=member.project, paused=request.POST.get("paused") == "1")
    return redirect("progress", member.project.slug)
