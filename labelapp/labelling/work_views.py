"""My work: what a labeller has ranked and skipped, to look at and to change."""

import uuid

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from labelapp.labelling import submissions
from labelapp.labelling.page import page_context
from labelapp.models import Assignment, Member
from labelapp.rendering.texts import sources
from labelapp.web.access import member_view
from labelapp.web.middleware import translated

A_PAGE = 25


@translated
@require_safe
@never_cache
@member_view()
def index(request: HttpRequest, member: Member) -> HttpResponse:
    skipped = request.GET.get("skipped") == "1"
    listed = submissions.skipped_by(member) if skipped else submissions.ranked_by(member)
    page = Paginator(listed, A_PAGE).get_page(request.GET.get("page"))
    context = {
        "member": member,
        "project": member.project,
        "page": page,
        "skipped": skipped,
        "query": "skipped=1&" if skipped else "",
    }
    return render(request, "labelling/work.html", context)


@translated
@require_safe
@never_cache
@member_view()
def detail(request: HttpRequest, member: Member, token: uuid.UUID) -> HttpResponse:
    """Show one's own ranking as it was entered. Submitted again, it is a new version."""
    assignment = get_object_or_404(
        Assignment.objects.select_related("prompt"), member_id=member.pk, token=token
    )
    entered = submissions.current_input(assignment) if assignment.submitted_at else None
    context = page_context(member, assignment, entered) | {"revised": assignment.submitted_at}
    return render(request, "labelling/task.html", context)


@require_safe
@never_cache
@member_view()
def texts(request: HttpRequest, member: Member, token: uuid.UUID) -> JsonResponse:
    """Return the texts of one's own task as they were written."""
    assignment = get_object_or_404(
        Assignment.objects.select_related("prompt"), member_id=member.pk, token=token
    )
    responses = {card.letter: card.response.text for card in submissions.cards(assignment)}
    return JsonResponse(sources(assignment.prompt.messages, responses))
