"""Where labellers disagree: the prompts, worst first, and one with all verdicts side by side."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from labelapp.labelling.ranking_input import RankingInput
from labelapp.models import Comment, Disagreement, Member, Prompt, Role
from labelapp.quality import comments, disagreements
from labelapp.quality.forms import MAX_COMMENT, CommentForm
from labelapp.quality.measurement import last_measurement
from labelapp.quality.side_by_side import Matrix, side_by_side
from labelapp.rendering.markdown import render as render_text
from labelapp.web.access import member_view

SEERS = (Role.MANAGER, Role.REVIEWER)


def shown(request: HttpRequest) -> str:
    """The list that a request speaks of; the first where it names none."""
    word = request.GET.get("show", request.POST.get("show", ""))
    return word if word in disagreements.SHOWN else ""


@require_safe
@never_cache
@member_view(*SEERS)
def index(request: HttpRequest, member: Member) -> HttpResponse:
    show, after = shown(request), request.GET.get("after", "")
    page = disagreements.page(project=member.project, shown=show, after=after)
    measurement = last_measurement(member.project)
    every = Disagreement.objects.filter(project=member.project)
    context = {
        "member": member,
        "project": member.project,
        "measurement": measurement,
        "is_measured": bool(measurement.agreement) or bool(page.rows) or every.exists(),
        "any_disagree": bool(page.rows) or every.filter(share__gt=0).exists(),
        "any_compared": bool(page.rows) or every.exists(),
        "page": page,
        "filters": disagreements.SHOWN.items(),
        "shown": show,
        "is_first": not after,
        "next_query": urlencode({**({"show": show} if show else {}), "after": page.next}),
    }
    return render(request, "quality/disagreements/list.html", context)


@dataclass(frozen=True)
class Entry:
    """The form in which a set of responses is adjudicated, as it is to be shown."""

    initial: RankingInput
    prefilled: str  # with what: a sentence
    rows: list[tuple[str, str, int | None]]  # letter, how the response begins, its rank
    problems: list[str]
    key: uuid.UUID


def entry(matrix: Matrix, entered: RankingInput | None, problems: list[str]) -> Entry:
    """Prefilled with what was entered or adjudicated, else with what most labellers say."""
    before = matrix.adjudicated or next(iter(matrix.earlier), None)
    if entered is not None:
        initial, prefilled = entered, ""
    elif before is not None:
        initial = RankingInput.from_ranking(before.ranking, matrix.by_letter)
        prefilled = f"As {before.name} adjudicated" + (
            "." if before is matrix.adjudicated else ", which was taken back."
        )
    else:
        initial = RankingInput(matrix.majority)
        prefilled = "As most labellers have it." if matrix.majority else ""
    return Entry(
        initial=initial,
        prefilled=prefilled,
        rows=[
            (line.letter, " ".join(line.response.text.split()), initial.ranks.get(line.letter))
            for line in matrix.lines
        ],
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
    """The page of one prompt; `entered` are rankings that were not stored, by set, and why not."""
    found = side_by_side(prompt)
    show = shown(request)
    listed = Disagreement.objects.filter(prompt=prompt).select_related("project").first()
    before, after = disagreements.neighbours(listed, show) if listed else (None, None)
    context = {
        "member": member,
        "project": member.project,
        "prompt": prompt,
        "prompt_messages": [
            {"role": message["role"], "html": render_text(message["content"])}
            for message in prompt.messages
        ],
        "found": found,
        "sets": [
            (matrix, entry(matrix, *(entered or {}).get(matrix.responses_hash, (None, []))))
            for matrix in found.matrices
        ],
        "responses": [
            {"letter": letter, "response": response, "html": render_text(response.text)}
            for letter, response in found.responses.items()
        ],
        "listed": listed,
        "before": before,
        "after": after,
        "shown": show,
        "query": f"?show={show}" if show else "",
        "comments": [
            {
                "comment": comment,
                "html": render_text(comment.text),
                "may_delete": comments.may_delete(comment, member),
            }
            for comment in comments.comments_on(prompt)
        ],
        "max_comment": MAX_COMMENT,
    }
    return render(request, "quality/disagreements/detail.html", context | extra, status=status)


@require_safe
@never_cache
@member_view(*SEERS)
def detail(request: HttpRequest, member: Member, pk: int) -> HttpResponse:
    prompt = get_object_or_404(Prompt, pk=pk, project=member.project)
    return detail_response(request, member, prompt)


def back_to(request: HttpRequest, member: Member, prompt: Prompt, part: str) -> HttpResponse:
    """To the prompt's page, at one of its parts, in the list from which it was opened."""
    show = shown(request)
    page = redirect("disagreement", member.project.slug, prompt.pk)
    page["Location"] += f"{f'?show={show}' if show else ''}#{part}"
    return page


def guard_member(member: Member) -> None:
    """Refuse a superuser who is not in the project: what they write needs a name in it."""
    if member.pk is None:
        raise PermissionDenied(
            "To write here, be a member of the project: "
            "manage.py add_member NAME --project SLUG --role reviewer."
        )


@require_POST
@member_view(*SEERS)
def comment(request: HttpRequest, member: Member, pk: int) -> HttpResponse:
    prompt = get_object_or_404(Prompt, pk=pk, project=member.project)
    guard_member(member)
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
    return back_to(request, member, prompt, "comments")


@require_POST
@member_view(*SEERS)
def delete_comment(request: HttpRequest, member: Member, pk: int, comment_pk: int) -> HttpResponse:
    found = get_object_or_404(
        Comment.objects.select_related("prompt"),
        pk=comment_pk,
        prompt=pk,
        prompt__project=member.project,
    )
    if not comments.may_delete(found, member):
        raise PermissionDenied("Only who wrote a comment, or a manager, deletes it.")
    comments.delete(found)
    messages.success(request, "Comment deleted.")
    return back_to(request, member, found.prompt, "comments")
