"""The pages of reviewing: the prompts by disagreement, and one prompt in full."""

import re
from typing import Any

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from labelapp.db.cache import cached
from labelapp.models import Member, Prompt, PromptAgreement, TrainingRun
from labelapp.rendering.texts import render_prompt
from labelapp.reviewing.review import review
from labelapp.runs.caveats import few_prompts
from labelapp.web.access import REVIEWERS, member_view

PROMPTS_PER_PAGE = 10


def chosen_run(request: HttpRequest, member: Member) -> TrainingRun | None:
    """Return the run named by ?run=, or the newest scored one. Raises Http404 for any other."""
    scored = member.project.runs.scored()
    if number := request.GET.get("run", ""):
        pk = int(number) if re.fullmatch(r"[0-9]{1,18}", number) else 0
        return get_object_or_404(scored, pk=pk)
    return scored.first()


@require_safe
@member_view(*REVIEWERS)
def index(request: HttpRequest, member: Member) -> HttpResponse:
    run = chosen_run(request, member)
    context: dict[str, Any] = {"member": member, "project": member.project, "run": run}
    if run is not None:
        held_out_only = request.GET.get("held_out") == "1"
        agreements = PromptAgreement.objects.worst_first(run).select_related("prompt")
        if held_out_only:
            agreements = agreements.filter(held_out=True)
        pages = Paginator(agreements, PROMPTS_PER_PAGE)
        # They change only with the scores, and counting a million for every page takes too long.
        name = f"agreements-{run.pk}-{held_out_only}"
        pages.count = cached(name, agreements.count, lambda rows: rows).value
        page = pages.get_page(request.GET.get("page"))
        context |= {
            "runs": member.project.runs.scored()[:20],
            "figures": run.held_out,
            "few_prompts": few_prompts(run.held_out),
            "page": page,
            "reviewed": review(run, list(page.object_list)),
            "held_out_only": held_out_only,
            "query": f"run={run.pk}&{'held_out=1&' if held_out_only else ''}",
        }
    return render(request, "reviewing/list.html", context)


@require_safe
@member_view(*REVIEWERS)
def detail(request: HttpRequest, member: Member, pk: int) -> HttpResponse:
    prompt = get_object_or_404(Prompt, pk=pk, project=member.project)
    run = chosen_run(request, member)
    agreements = PromptAgreement.objects.filter(run=run, prompt=prompt).select_related("prompt")
    reviewed = review(run, list(agreements)) if run is not None else []
    responses = reviewed[0].responses if reviewed else []
    chat, texts = render_prompt(prompt.messages, [one.response.text for one in responses])
    context = {
        "member": member,
        "project": member.project,
        "run": run,
        "prompt": prompt,
        "prompt_messages": chat,
        "reviewed": reviewed[0] if reviewed else None,
        "responses": list(zip(responses, texts, strict=True)),
    }
    return render(request, "reviewing/detail.html", context)
