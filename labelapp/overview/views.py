"""The first page of a project: a dashboard, or for labellers their next task."""

from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from labelapp.labelling import own_progress
from labelapp.models import Member
from labelapp.overview.dashboard import dashboard
from labelapp.projects import overview
from labelapp.rendering.texts import render_text
from labelapp.web.access import REVIEWERS, member_view
from labelapp.web.middleware import PageRequest, only_complete, translated


def context(member: Member) -> dict[str, Any]:
    counts = overview.cached_counts(member.project)
    return {
        "member": member,
        "project": member.project,
        "counts": counts.value,
        "counted_at": counts.counted_at,
    }


@translated
@require_safe
@never_cache
@member_view()
def detail(request: PageRequest, member: Member) -> HttpResponse:
    shown = context(member) | {
        "guidelines": render_text(member.project.guidelines).html,
        "yours": own_progress.waiting_for(member) if member.pk else own_progress.Waiting(0),
        "own": own_progress.progress(member) if member.pk else None,
    }
    if not member.sees_scores:
        return render(request, "overview/labeller.html", shown)
    only_complete(request)
    shown["board"] = dashboard(member)
    return render(request, "overview/dashboard.html", shown)


@translated
@require_safe
@never_cache
@member_view(*REVIEWERS)
def live(request: PageRequest, member: Member) -> HttpResponse:
    """Return the part of the dashboard that refreshes itself."""
    only_complete(request)
    shown = context(member) | {"board": dashboard(member)}
    return render(request, "overview/_dashboard.html", shown)
