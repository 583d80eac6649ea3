"""The progress of a campaign: figures, a chart, a forecast, the people, and the pause."""

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
    counted = progress.counted(project)
    standing, days = counted.found.standing, counted.found.days
    context = {
        "member": member,
        "project": project,
        "standing": standing,
        "days": days,
        "bars": bar_chart([(date_format(day.day, "j M"), day.rankings) for day in days]),
        "any_day": any(day.rankings for day in days),
        "forecast": progress.forecast(standing=standing, days=days, paused=project.paused),
        "people": counted.found.people,
        "counted_at": counted.counted_at,
        "open_tasks": progress.open_tasks(project),
        "now": timezone.now(),
    }
    return render(request, "projects/progress/index.html", context)


@require_POST
@member_view(Role.MANAGER)
def pause(request: HttpRequest, member: Member) -> HttpResponse:
    """Pause with paused=1, go on without."""
    progress.set_paused(project=member.project, paused=request.POST.get("paused") == "1")
    return redirect("progress", member.project.slug)
