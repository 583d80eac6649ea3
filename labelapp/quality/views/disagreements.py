"""The pages of disagreements: the list, and a prompt with its rankings side by side."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from labelapp.labelling.ranking_input import RankingInput
from labelapp.labelling.returning import just_returned, returnable_rankings
from labelapp.models import Comment, Disagreement, Exclusion, Member, Prompt
from labelapp.quality import comments, disagreement_list
from labelapp.quality.forms import MAX_COMMENT, CommentForm
from labelapp.quality.measurement import last_measurement
from labelapp.quality.side_by_side import Table, side_by_side
from labelapp.rendering.letters import letter
from labelapp.rendering.texts import render_prompt, render_text, sources
from labelapp.web.access import REVIEWERS, member_view, require_member


def selected_filter(request: HttpRequest) -> str:
    """Return the filter that a request names, or the default."""
    show = request.GET.get("show", request.POST.get("show", ""))
    return show if show in disagreement_list.FILTERS else ""


@require_safe
@member_view(*REVIEWERS)
def index(request: HttpRequest, member: Member) -> HttpResponse:
    show, after = selected_filter(request), request.GET.get("after", "")
    page = disagreement_list.page(project=member.project, show=show, after=after)
    measurement = last_measurement(member.project)
    every = Disagreement.objects.filter(project=member.project)
    context = {
        "measurement": measurement,
        "left_out": Exclusion.objects.holding(member.project),
        "is_measured": bool(measurement.agreement) or bool(page.rows) or every.exists(),
        "any_disagree": bool(page.rows) or every.filter(share__gt=0).exists(),
        "any_compared": bool(page.rows) or every.exists(),
        "page": page,
        "filters": disagreement_list.FILTERS.items(),
        "show": show,
        "is_first": not after,
        "chosen_query": urlencode({"show": show} if show else {}),
    }
    return render(request, "quality/disagreements/list.html", context)


@dataclass(frozen=True)
class Entry:
    """The contents of the form that adjudicates a set of responses."""

    initial: RankingInput
    prefilled: str  # a sentence that names the source of the contents
    rows: list[tuple[str, str, int | None]]  # letter, text, rank
    problems: list[str]
    key: uuid.UUID


def make_entry(table: Table, entered: RankingInput | None, problems: list[str]) -> Entry:
    """Fill the form with what was entered, the last adjudicated ranking, or the majority."""
    before = table.adjudicated or next(iter(table.earlier), None)
    if entered is not None:
        initial, prefilled = entered, ""
    elif before is not None:
        initial = RankingInput.from_ranking(before.ranking, table.by_letter)
        prefilled = (
            _("Filled in with %(name)s’s decision.")
            if before is table.adjudicated
            else _("Filled in with %(name)s’s withdrawn decision.")
        ) % {"name": before.name}
    else:
        initial = RankingInput(table.majority)
        prefilled = _("Filled in with the majority of labellers.") if table.majority else ""
    return Entry(
        initial=initial,
        prefilled=prefilled,
        rows=[(row.letter, row.response.text, initial.ranks.get(row.letter)) for row in table.rows],
        problems=problems,
        key=uuid.uuid4(),
    )


def detail_response(
    request: HttpRequest,
    member: Member,
    prompt: Prompt,
    *,
    status: int = 200,
    entered: Mapping[str, tuple[RankingInput, list[str]]] | None = None,
    **extra: Any,
) -> HttpResponse:
    """Render the page of a prompt, with the rankings `entered` but not saved and their problems.

    The keys of `entered` are hashes of sets of responses.
    """
    rankings = side_by_side(prompt)
    show = selected_filter(request)
    listed = Disagreement.objects.filter(prompt=prompt).select_related("project").first()
    chat, texts = render_prompt(
        prompt.messages, [response.text for response in rankings.responses.values()]
    )
    before, after = disagreement_list.neighbours(listed, show) if listed else (None, None)
    context = {
        "prompt": prompt,
        "prompt_messages": chat,
        "splits": rankings.splits,
        "sets": [
            (table, make_entry(table, *(entered or {}).get(table.responses_hash, (None, []))))
            for table in rankings.tables
        ],
        "responses": [
            {
                "letter": name,
                "response": response,
                "text": text,
                "words": len(response.text.split()),
            }
            for (name, response), text in zip(rankings.responses.items(), texts, strict=True)
        ],
        "listed": listed,
        "before": before,
        "after": after,
        "show": show,
        "query": (query := f"?show={show}" if show else ""),
        "back": reverse("disagreement", args=[member.project.slug, prompt.pk]) + query,
        "comments": [
            {
                "comment": comment,
                "html": render_text(comment.text).html,
                "may_delete": comments.may_delete(comment, member),
            }
            for comment in comments.comments_on(prompt)
        ],
        "max_comment": MAX_COMMENT,
        "returned": just_returned(member, request.GET.get("returned", "")),
        "returnable": returnable_rankings(member, prompt),
    }
    return render(request, "quality/disagreements/detail.html", context | extra, status=status)


@require_safe
@member_view(*REVIEWERS)
def texts(request: HttpRequest, member: Member, pk: int) -> JsonResponse:
    """Return the texts of a prompt as they were written, those of its responses by letter."""
    prompt = get_object_or_404(Prompt, pk=pk, project=member.project)
    by_letter = {
        letter(n): response.text for n, response in enumerate(prompt.responses.order_by("pk"))
    }
    return JsonResponse(sources(prompt.messages, by_letter))


@require_safe
@member_view(*REVIEWERS)
def detail(request: HttpRequest, member: Member, pk: int) -> HttpResponse:
    prompt = get_object_or_404(Prompt, pk=pk, project=member.project)
    return detail_response(request, member, prompt)


def back_to_prompt(
    request: HttpRequest, member: Member, prompt: Prompt, section: str
) -> HttpResponse:
    """Redirect to a section of the prompt's page, and keep the filter of the list."""
    response = to_prompt(request, member, prompt.pk)
    response["Location"] += f"#{section}"
    return response


def to_prompt(request: HttpRequest, member: Member, pk: int) -> HttpResponse:
    """Redirect to the page of a prompt, and keep the filter of the list."""
    show = selected_filter(request)
    response = redirect("disagreement", member.project.slug, pk)
    response["Location"] += f"?show={show}" if show else ""
    return response


@require_POST
@member_view(*REVIEWERS)
def comment(request: HttpRequest, member: Member, pk: int) -> HttpResponse:
    prompt = get_object_or_404(Prompt, pk=pk, project=member.project)
    require_member(member)
    form = CommentForm(request.POST)
    if not form.is_valid():
        return detail_response(
            request,
            member,
            prompt,
            status=422,
            comment_problems=form.errors["text"],
            written=request.POST.get("text", "").replace("\0", ""),
        )
    comments.write(prompt=prompt, member=member, text=form.cleaned_data["text"])
    return back_to_prompt(request, member, prompt, "comments")


@require_POST
@member_view(*REVIEWERS)
def delete_comment(request: HttpRequest, member: Member, pk: int, comment_pk: int) -> HttpResponse:
    deleted = get_object_or_404(
        Comment.objects.select_related("prompt"),
        pk=comment_pk,
        prompt=pk,
        prompt__project=member.project,
    )
    if not comments.may_delete(deleted, member):
        raise PermissionDenied(_("Only its author or a manager can delete a comment."))
    comments.delete(deleted)
    messages.success(request, _("Comment deleted."))
    return back_to_prompt(request, member, deleted.prompt, "comments")
