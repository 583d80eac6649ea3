"""My work: the prompts that a labeller has ranked and skipped, to look at and to change."""

import uuid

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.utils.http import urlencode
from django.views.decorators.http import require_safe

from labelapp.labelling import own_work, submissions
from labelapp.labelling.page import page_context
from labelapp.models import Assignment, Member
from labelapp.rendering.texts import sources
from labelapp.web.access import member_view
from labelapp.web.middleware import translated
from labelapp.web.query import text_of

A_PAGE = 25


@translated
@require_safe
@member_view()
def index(request: HttpRequest, member: Member) -> HttpResponse:
    skipped = request.GET.get("skipped") == "1"
    noted = request.GET.get("noted") == "1"
    search = text_of(request.GET, "q", own_work.MAX_SEARCH)
    listed = own_work.skipped_by(member) if skipped else own_work.ranked_by(member)
    if noted:
        listed = own_work.with_note(listed, skipped=skipped)
    page = Paginator(own_work.search(listed, search), A_PAGE).get_page(request.GET.get("page"))
    rankings = {} if skipped else own_work.rankings_of(member, list(page.object_list))
    kept = {"skipped": skipped and "1", "noted": noted and "1", "q": search}
    query = urlencode({name: value for name, value in kept.items() if value})
    context = {
        "page": page,
        "rows": [
            (one, rankings[one.pk], own_work.order_of(one, rankings[one.pk]))
            if one.pk in rankings
            else (one, None, "")
            for one in page.object_list
        ],
        "skipped": skipped,
        "noted": noted,
        "search": search,
        "query": f"{query}&" if query else "",
    }
    return render(request, "labelling/work.html", context)


@translated
@require_safe
@member_view()
def detail(request: HttpRequest, member: Member, token: uuid.UUID) -> HttpResponse:
    """Show one's own ranking as it was entered. Submitted again, it is a new version."""
    assignment = get_object_or_404(
        Assignment.objects.select_related("prompt"),
        member_id=member.pk,
        prompt__project=member.project_id,
        token=token,
    )
    entered = submissions.current_input(assignment) if assignment.submitted_at else None
    context = page_context(member, assignment, entered) | {"revised": assignment.submitted_at}
    return render(request, "labelling/task.html", context)


@require_safe
@member_view()
def texts(request: HttpRequest, member: Member, token: uuid.UUID) -> JsonResponse:
    """Return the texts of one's own task as they were written."""
    assignment = get_object_or_404(
        Assignment.objects.select_related("prompt"),
        member_id=member.pk,
        prompt__project=member.project_id,
        token=token,
    )
    responses = {card.letter: card.response.text for card in submissions.cards(assignment)}
    return JsonResponse(sources(assignment.prompt.messages, responses))
