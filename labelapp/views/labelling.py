"""The ranking page: GET shows a task, POST stores its ranking and brings the next in one answer."""

from dataclasses import dataclass

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.safestring import SafeString
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from labelapp import labelling
from labelapp.access import member_view
from labelapp.forms.labelling import RankingForm, posted_token
from labelapp.models import Assignment, Member
from labelapp.text import count_words
from labelapp.text import render as render_text


@dataclass(frozen=True)
class ShownCard:
    letter: str
    html: SafeString
    words: int
    rank: int | None  # entered so far


def task_context(member: Member, assignment: Assignment | None) -> dict[str, object]:
    """What the ranking page shows: nothing in it tells a source or a database id."""
    context: dict[str, object] = {
        "member": member,
        "project": member.project,
        "guidelines": render_text(member.project.guidelines),
        "progress": labelling.progress(member),
        "task": assignment,
    }
    if assignment is None:
        context["any_prompts"] = member.project.prompts.exists()
    else:
        cards = labelling.cards(assignment)
        ranks = assignment.draft.get("ranks", {})
        context |= {
            "prompt_messages": [
                {"role": message["role"], "html": render_text(message["content"])}
                for message in assignment.prompt.messages
            ],
            "cards": [
                ShownCard(
                    card.letter,
                    render_text(card.response.text),
                    count_words(card.response.text),
                    ranks.get(card.letter),
                )
                for card in cards
            ],
            "ranks": range(1, len(cards) + 1),
            "note": assignment.draft.get("note", ""),
        }
    return context


def task_response(
    request: HttpRequest, member: Member, assignment: Assignment | None, **extra: object
) -> HttpResponse:
    template = "labelling/_task.html" if request.htmx else "labelling/task.html"  # type: ignore[attr-defined]
    problems = extra.get("problems")
    context = task_context(member, assignment) | extra
    return render(request, template, context, status=422 if problems else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@member_view()
def task(request: HttpRequest, member: Member) -> HttpResponse:
    if member.pk is None:
        raise PermissionDenied(
            "To rank here, be a member of the project: manage.py add_member NAME --project SLUG."
        )
    if request.method == "POST":
        return submit(request, member)
    return task_response(request, member, labelling.current_assignment(member))


@require_POST
@member_view()
def draft(request: HttpRequest, member: Member) -> HttpResponse:
    """What is entered so far, sent by the page as it is entered."""
    found = posted_form(request, member)
    if isinstance(found, HttpResponse):
        return found
    assignment, form = found
    form.is_valid()  # what is not valid yet is left out
    labelling.keep_draft(assignment, form.ranks, form.note_so_far)
    return HttpResponse(status=204)


def posted_form(
    request: HttpRequest, member: Member
) -> tuple[Assignment, RankingForm] | HttpResponse:
    """The task that was posted, with its form; a refusal where it is not the member's."""
    token = posted_token(request.POST)
    try:
        if token is None:
            raise Assignment.DoesNotExist
        assignment = labelling.find_assignment(member, token)
    except Assignment.DoesNotExist:
        return refuse(request, 404, "This task is no longer here. Reload the page for another.")
    except labelling.NotYoursError:
        return refuse(request, 403, "This task is lent to somebody else; nothing was stored.")
    ties_allowed = member.project.ties_allowed
    return assignment, RankingForm(request.POST, assignment=assignment, ties_allowed=ties_allowed)


def submit(request: HttpRequest, member: Member) -> HttpResponse:
    found = posted_form(request, member)
    if isinstance(found, HttpResponse):
        return found
    assignment, form = found
    if not form.is_valid():
        labelling.keep_draft(assignment, form.ranks, form.note_so_far)
        return task_response(request, member, assignment, problems=form.problems)
    labelling.submit(assignment=assignment, ranks=form.ranks, note=form.cleaned_data["note"])
    if not request.htmx:  # type: ignore[attr-defined]
        messages.success(request, "Ranking stored.")
        return redirect("labelling", member.project.slug)
    return task_response(request, member, labelling.current_assignment(member), stored=True)


def refuse(request: HttpRequest, status: int, problem: str) -> HttpResponse:
    """A refusal that leaves what stands in the page as it is."""
    template = "labelling/_refused.html" if request.htmx else "labelling/refused.html"  # type: ignore[attr-defined]
    return render(request, template, {"problem": problem}, status=status)
