"""The playground: responses that somebody types in, scored by versions of the project."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_http_methods

from labelapp.models import MAX_RESPONSES, Alias, Member, ModelVersion, Prompt
from labelapp.registry import playground, service, versions
from labelapp.registry.forms import MOST_TURNS, PlaygroundForm
from labelapp.rendering.texts import render_prompt
from labelapp.web.access import REVIEWERS, member_view
from labelapp.web.query import key_of


@require_http_methods(["GET", "HEAD", "POST"])
@member_view(*REVIEWERS)
def index(request: HttpRequest, member: Member) -> HttpResponse:
    registered = ModelVersion.objects.filter(project=member.project).registered()
    prompt = stored_prompt(request, member)
    texts = stored_responses(prompt) if prompt else []
    adding = request.POST.get("add", "")  # one more field, and nothing is scored yet
    form = PlaygroundForm(
        None if adding else request.POST or None,
        versions=registered.select_related("project", "run"),
        responses=len(texts) or given(request, "response_") + (adding == "response"),
        turns=given(request, "turn_") + (adding == "turn"),
        has_messages=prompt is not None,
        initial=request.POST.dict() if adding else initial(member, texts),
    )
    context: dict[str, Any] = {
        "prompt": prompt,
        "prompt_messages": render_prompt(prompt.messages)[0] if prompt else None,
        "form": form,
        "has_versions": registered.exists(),
        "can_add": len(form.response_fields) < MAX_RESPONSES,
        "can_add_turn": len(form.turn_fields) < MOST_TURNS,
    }
    if form.is_valid():
        context |= scored(form, prompt.messages if prompt else form.messages)
    is_refused = bool(form.errors or context.get("problem"))
    return render(request, "registry/playground.html", context, status=422 if is_refused else 200)


def scored(form: PlaygroundForm, messages: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """Return what the versions say of the responses, or why they say nothing."""
    chosen = [form.cleaned_data["version"], form.cleaned_data["other"]]
    responses = form.responses
    try:
        texts = list(responses.values())
        answers = [service.score(one, messages, texts) for one in chosen if one is not None]
    except service.ServiceError as error:
        return {"problem": str(error)}
    matrices = [playground.matrix(answer, list(responses)) for answer in answers]
    return {
        "versions": [answer.version for answer in answers],
        "rows": playground.table(responses, answers),
        "has_intervals": any(answer.intervals for answer in answers),
        "matrices": [found for found in matrices if found is not None],
    }


def initial(member: Member, texts: Sequence[str]) -> dict[str, Any]:
    """Return what the form begins with: the champion, and the responses of a stored prompt."""
    champion = versions.holder(member.project, Alias.CHAMPION)
    newest = ModelVersion.objects.filter(project=member.project).registered().first()
    chosen = champion or newest
    fields = {f"response_{number}": text for number, text in enumerate(texts)}
    return {"version": chosen.pk if chosen else None, **fields}


def stored_prompt(request: HttpRequest, member: Member) -> Prompt | None:
    """Return the prompt named by ?prompt=, if there is one. Raises Http404."""
    number = request.GET.get("prompt", "")
    if not number:
        return None
    return get_object_or_404(Prompt, pk=key_of(number), project=member.project)


def stored_responses(prompt: Prompt) -> list[str]:
    return list(prompt.responses.order_by("pk").values_list("text", flat=True)[:MAX_RESPONSES])


def given(request: HttpRequest, name: str) -> int:
    """Return the number of fields of a kind that the page had."""
    return sum(field.startswith(name) for field in request.POST)
