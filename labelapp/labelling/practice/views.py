"""The pages of practice: the ranking page with a practice prompt, and what it says afterwards."""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from labelapp.labelling.forms import RankingForm
from labelapp.labelling.page import task_context
from labelapp.labelling.practice import marking
from labelapp.labelling.practice.tasks import PracticeTask, practice_tasks
from labelapp.labelling.ranking_input import RankingInput
from labelapp.models import Member
from labelapp.rendering.texts import render_text, sources
from labelapp.web.access import member_view
from labelapp.web.middleware import translated


@translated
@require_safe
@member_view()
def start(request: HttpRequest, member: Member) -> HttpResponse:
    """Go to the first practice prompt that the member has not ranked yet, else to the first."""
    result = marking.result_of(member)
    done = {int(place) for place in result.pairs} if result else set()
    places = range(1, len(practice_tasks(member)) + 1)
    place = next((place for place in places if place not in done), 1)
    return redirect("practice_task", member.project.slug, place)


def find(member: Member, place: int) -> PracticeTask:
    """Return a practice task by its place. Raises Http404 if there are fewer."""
    found = next((task for task in practice_tasks(member) if task.place == place), None)
    if found is None:
        raise Http404
    return found


@translated
@require_http_methods(["GET", "HEAD", "POST"])
@member_view()
def task(request: HttpRequest, member: Member, place: int) -> HttpResponse:
    """Show a practice prompt on the ranking page, or mark its ranking."""
    practice = find(member, place)
    if request.method != "POST":
        return task_response(request, member, practice, RankingInput({}))
    letters = [response.letter for response in practice.responses]
    form = RankingForm(request.POST, letters=letters, project=member.project, partial=True)
    if not form.is_valid():
        return task_response(request, member, practice, form.entered, problems=form.problems)
    ranks = form.entered.normalized().ranks
    marks = marking.mark(practice.expected, ranks)
    marking.record(member, place=place, total=practice.total, marks=marks)
    context = {
        "practice": practice,
        "marks": marks,
        "responses": [
            (response, ranks.get(response.letter), render_text(response.text))
            for response in sorted(practice.responses, key=lambda each: each.rank)
        ],
    }
    return render(request, "labelling/practice/marked.html", context)


def task_response(
    request: HttpRequest,
    member: Member,
    practice: PracticeTask,
    entered: RankingInput,
    **extra: Any,
) -> HttpResponse:
    slug = member.project.slug
    texts = [(response.letter, response.text) for response in practice.responses]
    context = task_context(member.project, practice.messages, texts, entered) | {
        "member": member,
        "assignment": practice,
        "practice": practice,
        "urls": {
            "submit": reverse("practice_task", args=[slug, practice.place]),
            "texts": reverse("practice_texts", args=[slug, practice.place]),
        },
    }
    status = 422 if extra else 200
    return render(request, "labelling/task.html", context | extra, status=status)


@require_safe
@member_view()
def texts(request: HttpRequest, member: Member, place: int) -> JsonResponse:
    """Return the texts of a practice prompt as they were written."""
    practice = find(member, place)
    responses = {response.letter: response.text for response in practice.responses}
    return JsonResponse(sources(practice.messages, responses))


@translated
@require_POST
@member_view()
def skip(request: HttpRequest, member: Member) -> HttpResponse:
    marking.skip(member, total=len(practice_tasks(member)))
    return redirect("labelling", member.project.slug)
