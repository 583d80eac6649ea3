"""Adjudicate a set of responses, and withdraw an adjudicated ranking."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from labelapp.labelling.forms import RankingForm, posted_uuid
from labelapp.models import Member, Origin, Prompt, Ranking
from labelapp.quality import adjudication
from labelapp.quality.side_by_side import side_by_side
from labelapp.quality.views.disagreements import back_to_prompt, detail_response, to_prompt
from labelapp.web.access import REVIEWERS, member_view, require_member
from labelapp.web.query import key_of


@require_POST
@member_view(*REVIEWERS)
def adjudicate(request: HttpRequest, member: Member, pk: int) -> HttpResponse:
    prompt = get_object_or_404(Prompt, pk=pk, project=member.project)
    require_member(member)
    responses_hash = request.POST.get("set", "")
    tables = side_by_side(prompt).tables
    table = next((one for one in tables if one.responses_hash == responses_hash), None)
    if table is None:
        messages.error(request, _("Not saved: there are no rankings of these responses any more."))
        return back_to_prompt(request, member, prompt, "verdicts")
    form = RankingForm(request.POST, letters=list(table.by_letter), project=member.project)
    if not form.is_valid():
        entered = {responses_hash: (form.entered, form.problems)}
        return detail_response(request, member, prompt, status=422, entered=entered)
    try:
        adjudication.adjudicate(
            prompt=prompt,
            responses_hash=responses_hash,
            member=member,
            by_letter=table.by_letter,
            entered=form.entered,
            instead_of=key_of(request.POST.get("instead_of", "")),
            key=posted_uuid(request.POST, "key"),
        )
    except adjudication.AdjudicatedMeanwhileError:
        problem = _(
            "Somebody else has changed the decision since you opened the page, see above. "
            "Save again to replace it with yours."
        )
        entered = {responses_hash: (form.entered, [problem])}
        return detail_response(request, member, prompt, status=409, entered=entered)
    following = key_of(request.POST.get("then", ""))
    if following is not None:
        messages.success(request, _("Decision on prompt %(number)s saved.") % {"number": prompt.pk})
        return to_prompt(request, member, following)
    messages.success(request, _("Decision saved. The labellers’ own rankings are unchanged."))
    return back_to_prompt(request, member, prompt, "verdicts")


@require_POST
@member_view(*REVIEWERS)
def withdraw(request: HttpRequest, member: Member, pk: int, ranking: int) -> HttpResponse:
    """Withdraw an adjudicated ranking by any member."""
    adjudicated = get_object_or_404(
        Ranking.objects.select_related("prompt"),
        pk=ranking,
        prompt=pk,
        prompt__project=member.project,
        origin=Origin.ADJUDICATED,
    )
    if adjudication.withdraw(adjudicated):
        messages.success(request, _("Decision withdrawn. To restore it, save it again."))
    else:
        messages.error(request, _("This decision was already replaced or withdrawn."))
    return back_to_prompt(request, member, adjudicated.prompt, "verdicts")
