"""The page where managers choose a project's own practice prompts and explain their order."""

from collections.abc import Mapping

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from labelapp.labelling.practice.builtin import BUILTIN
from labelapp.labelling.practice.own_prompts import MOST, choose, gold_prompts
from labelapp.labelling.practice.tasks import gold_rankings
from labelapp.models import Member, Placement, PracticePrompt, Ranking, Role
from labelapp.web.access import member_view
from labelapp.web.query import key_of

MAX_REASON = 1000  # characters
PAGE_SIZE = 20


@require_http_methods(["GET", "HEAD", "POST"])
@member_view(Role.MANAGER)
def index(request: HttpRequest, member: Member) -> HttpResponse:
    if request.method == "POST":
        save_reasons(request, member)
        if "add" in request.POST:
            add(request, member)
        elif "remove" in request.POST:
            remove(request, member)
        else:
            messages.success(request, _("The explanations are saved."))
        return redirect(request.path)
    chosen = list(member.project.practice_prompts.select_related("prompt"))
    gold = gold_rankings(chosen)
    context = {
        "builtin": BUILTIN,
        "chosen": [(each, explained(each, gold)) for each in chosen],
        "is_full": len(chosen) >= MOST,
        "most": MOST,
        "page": Paginator(gold_prompts(member.project), PAGE_SIZE).get_page(
            request.GET.get("page")
        ),
    }
    return render(request, "labelling/practice/own.html", context)


def explained(practice: PracticePrompt, gold: Mapping[int, Ranking]) -> list[tuple[Placement, str]]:
    """Return the placements of a practice prompt's gold ranking, best first, with the reasons."""
    ranking = gold.get(practice.prompt_id)
    if ranking is None:
        return []
    placements = sorted(ranking.placements.all(), key=lambda placement: placement.rank)
    return [(each, practice.reasons.get(str(each.response_id), "")) for each in placements]


def save_reasons(request: HttpRequest, member: Member) -> None:
    """Store the reasons that the page has shown, whichever button was pressed."""
    for practice in member.project.practice_prompts.all():
        responses = practice.prompt.responses.values_list("pk", flat=True)
        posted = {str(pk): request.POST.get(f"why-{pk}") for pk in responses}
        if all(text is None for text in posted.values()):
            continue
        cleaned = {
            pk: text.replace("\0", "").strip()[:MAX_REASON] for pk, text in posted.items() if text
        }
        practice.reasons = {pk: text for pk, text in cleaned.items() if text}
        practice.save(update_fields=["reasons"])


def add(request: HttpRequest, member: Member) -> None:
    prompt = get_object_or_404(gold_prompts(member.project), pk=key_of(request.POST.get("add", "")))
    if not choose(prompt, member.project):
        messages.error(request, _("At most %(most)s prompts. Remove one first.") % {"most": MOST})
        return
    messages.success(request, _("The prompt is added. Say below why each response has its rank."))


def remove(request: HttpRequest, member: Member) -> None:
    pk = key_of(request.POST.get("remove", ""))
    get_object_or_404(PracticePrompt, pk=pk, project=member.project).delete()
    messages.success(request, _("The prompt is no longer a practice prompt."))
