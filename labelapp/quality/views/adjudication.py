"""Adjudicating a set of responses, and taking that back."""

import re

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_POST

from labelapp.labelling.forms import RankingForm, posted_uuid
from labelapp.models import Member, Origin, Prompt, Ranking
from labelapp.quality import adjudication
from labelapp.quality.side_by_side import side_by_side
from labelapp.quality.views.disagreements import SEERS, back_to, detail_response, guard_member
from labelapp.web.access import member_view


@require_POST
@member_view(*SEERS)
def adjudicate(request: HttpRequest, member: Member, pk: int) -> HttpResponse:
    prompt = get_object_or_404(Prompt, pk=pk, project=member.project)
    guard_member(member)
    name = request.POST.get("set", "")
    matrices = side_by_side(prompt).matrices
    matrix = next((one for one in matrices if one.responses_hash == name), None)
    if matrix is None:
        messages.error(request, "Nobody has ranked these responses any more; nothing was stored.")
        return back_to(request, member, prompt, "verdicts")
    form = RankingForm(request.POST, letters=list(matrix.by_letter), project=member.project)
    if not form.is_valid():
        entered = {name: (form.entered, form.problems)}
        return detail_response(request, member, prompt, status=422, entered=entered)
    instead_of = request.POST.get("instead_of", "")
    try:
        adjudication.adjudicate(
            prompt=prompt,
            responses_hash=name,
            member=member,
            by_letter=matrix.by_letter,
            entered=form.entered,
            instead_of=int(instead_of) if re.fullmatch(r"[0-9]{1,18}", instead_of) else None,
            key=posted_uuid(request.POST, "key"),
        )
    except adjudication.AdjudicatedMeanwhileError:
        why = "Since you opened the page somebody else has adjudicated this, or taken it back: "
        why += "see above. If yours is to stand, store it again."
        entered = {name: (form.entered, [why])}
        return detail_response(request, member, prompt, status=409, entered=entered)
    messages.success(request, "Adjudicated. The labellers’ own rankings are as they were.")
    return back_to(request, member, prompt, "verdicts")


@require_POST
@member_view(*SEERS)
def take_back(request: HttpRequest, member: Member, pk: int, ranking: int) -> HttpResponse:
    """Have an adjudicated ranking count no longer, whoever made it."""
    found = get_object_or_404(
        Ranking.objects.select_related("prompt"),
        pk=ranking,
        prompt=pk,
        prompt__project=member.project,
        origin=Origin.ADJUDICATED,
    )
    if adjudication.take_back(found):
        messages.success(request, "Taken back. To undo that, store it again: it is still entered.")
    else:
        messages.error(request, "It did not count any more: somebody replaced it or took it back.")
    return back_to(request, member, found.prompt, "verdicts")
