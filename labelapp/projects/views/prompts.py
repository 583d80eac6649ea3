"""The pages that list prompts, show one, and let managers change the queue."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from labelapp.labelling import controls
from labelapp.labelling.blinding import giveaways
from labelapp.models import Assignment, Member, Prompt, PromptAgreement, Ranking, Role
from labelapp.projects import prompt_changes, prompts
from labelapp.projects.forms.prompts import (
    ActionForm,
    WantedForm,
    count_prompts,
    problems,
    selected_prompts,
)
from labelapp.projects.prompt_filters import DISAGREE, RANKED, STATES, PromptFilter, matching
from labelapp.rendering.texts import render_prompt, sources
from labelapp.web.access import REVIEWERS, member_view, signed_in

OFFERED = "prompts-undo"  # in the session: the next page offers to undo the last change
MAX_LABELLERS = 500  # in the filter
COLUMNS = (
    ("prompt", "Prompt"),
    ("rankings", "Rankings"),
    ("progress", "In progress"),
    ("wanted", "Wanted"),
    ("priority", "Priority"),
    ("skips", "Skips"),
)
SORT_CHOICES = (
    ("", "Queue or import"),
    ("-prompt", "Newest first"),
    ("-disagreement", "Disagreement, most first"),
    ("-rankings", "Rankings, most first"),
    ("rankings", "Rankings, fewest first"),
    ("-progress", "In progress, most first"),
    ("-wanted", "Wanted, most first"),
    ("-priority", "Priority, highest first"),
    ("-skips", "Skips, most first"),
)


def require_manager_to_post(request: HttpRequest, member: Member) -> None:
    if request.method == "POST" and not member.manages:
        raise PermissionDenied("Only a manager of the project can change the queue.")


def count_matching(
    member: Member, chosen: PromptFilter, page: prompts.Page, *, is_first: bool
) -> int:
    """Return the number of prompts that a manager may change at once.

    A page that has them all is not searched for again: that would take as long as the page.
    """
    if is_first and not page.next:
        return len(page.rows)
    return prompts.count_matching(member.project, chosen) if member.manages else 0


def list_response(request: HttpRequest, member: Member, **extra: Any) -> HttpResponse:
    """Render the list for the query string, ignoring invalid values."""
    project, after = member.project, request.GET.get("after", "")
    chosen = PromptFilter.of(request.GET.dict())
    page = prompts.page(project=project, chosen=chosen, after=after)
    context = {
        "member": member,
        "project": project,
        "page": page,
        "states": [(state, name, chosen.query(show=state)) for state, name in STATES.items()],
        "columns": [(name, title, chosen.sorted_by(name)) for name, title in COLUMNS],
        "chosen": chosen,
        "ranked_choices": RANKED.items(),
        "sort_choices": SORT_CHOICES,
        "disagree_choices": DISAGREE.items(),
        "labellers": project.members.order_by("name").values_list("pk", "name")[:MAX_LABELLERS],
        "matching": count_matching(member, chosen, page, is_first=not after),
        "counted": prompts.COUNTED,
        "is_first": not after,
        "first_query": chosen.query(),
        "next_query": urlencode({"after": page.next}) + (f"&{q}" if (q := chosen.query()) else ""),
        "cleared_query": chosen.query(labeller=0, source="", ranked="", disagree=""),
        "unsearched_query": chosen.query(q=""),
        "can_undo": request.session.pop(OFFERED, False)
        and prompt_changes.last_change(project, signed_in(request)),
        "wanted": WantedForm(initial={"wanted": member.project.rankings_per_prompt}),
    }
    status = 422 if extra.get("problems") else 200
    return render(request, "projects/prompts/list.html", context | extra, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@member_view(*REVIEWERS)
def index(request: HttpRequest, member: Member) -> HttpResponse:
    require_manager_to_post(request, member)
    if request.method != "POST":
        return list_response(request, member)
    every = request.POST.get("all") == "1"
    if every:
        selected = matching(member.project, PromptFilter.of(request.GET.dict()))
    else:
        selected = selected_prompts(request.POST, member.project.prompts.all())
    form = ActionForm(request.POST, prompts=selected)
    if not form.is_valid():
        checked = set() if every else set(selected.values_list("pk", flat=True))
        return list_response(request, member, problems=problems(form), checked=checked)
    messages.success(request, form.carry_out(project=member.project, by=signed_in(request)))
    request.session[OFFERED] = True
    return redirect(request.get_full_path())


@require_POST
@member_view(Role.MANAGER)
def undo(request: HttpRequest, member: Member) -> HttpResponse:
    """Undo the manager's last change of prompts."""
    change = prompt_changes.last_change(member.project, signed_in(request))
    if change is None:
        messages.error(request, "There is nothing to undo.")
    else:
        number = prompt_changes.undo(change)
        messages.success(request, f"Undone: {count_prompts(number)} as before.")
    return redirect(f"{reverse('prompts', args=[member.project.slug])}?{request.GET.urlencode()}")


@require_POST
@member_view(Role.MANAGER)
def wanted(request: HttpRequest, member: Member) -> HttpResponse:
    """Set the number of rankings for every queued prompt."""
    form = WantedForm(request.POST)
    if not form.is_valid():
        return list_response(request, member, problems=problems(form), wanted=form)
    number = prompts.set_rankings_wanted(project=member.project, wanted=form.cleaned_data["wanted"])
    messages.success(request, f"{count_prompts(number)} changed.")
    return redirect("prompts", member.project.slug)


def detail_response(
    request: HttpRequest, member: Member, prompt: Prompt, **extra: Any
) -> HttpResponse:
    history = prompts.history(prompt)
    chat, texts = render_prompt(
        prompt.messages, [response.text for _, response in history.responses]
    )
    context = {
        "member": member,
        "project": member.project,
        "prompt": prompt,
        "history": history,
        "prompt_messages": chat,
        "responses": [
            {
                "letter": letter,
                "response": response,
                "text": text,
                "giveaways": giveaways(response.text) if response.names_itself else [],
            }
            for (letter, response), text in zip(history.responses, texts, strict=True)
        ],
        "reviewed": PromptAgreement.objects.filter(prompt=prompt).exists(),
        "now": timezone.now(),
    }
    status = 422 if extra.get("problems") else 200
    return render(request, "projects/prompts/detail.html", context | extra, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@member_view(*REVIEWERS)
def detail(request: HttpRequest, member: Member, pk: int) -> HttpResponse:
    require_manager_to_post(request, member)
    prompt = get_object_or_404(Prompt, pk=pk, project=member.project)
    if request.method != "POST":
        return detail_response(request, member, prompt)
    form = ActionForm(request.POST, prompts=member.project.prompts.filter(pk=pk))
    if not form.is_valid():
        return detail_response(request, member, prompt, problems=problems(form))
    messages.success(request, form.carry_out(project=member.project, by=signed_in(request)))
    back = request.POST.get("back", "")
    if url_has_allowed_host_and_scheme(back, allowed_hosts=None):
        return redirect(back)  # the page of this application that asked
    return redirect("prompt", member.project.slug, pk)


@require_safe
@never_cache
@member_view(*REVIEWERS)
def texts(request: HttpRequest, member: Member, pk: int) -> JsonResponse:
    """Return the texts of a prompt as they were written."""
    prompt = get_object_or_404(Prompt, pk=pk, project=member.project)
    responses = {str(response.pk): response.text for response in prompt.responses.all()}
    return JsonResponse(sources(prompt.messages, responses))


@require_POST
@member_view(Role.MANAGER)
def gold(request: HttpRequest, member: Member, pk: int, ranking: int) -> HttpResponse:
    """Make a ranking the gold ranking with gold=1, and no longer gold without."""
    chosen = get_object_or_404(
        Ranking.objects.select_related("member"),
        pk=ranking,
        prompt=pk,
        prompt__project=member.project,
    )
    name = chosen.member.name
    try:
        if request.POST.get("gold") != "1":
            controls.unmark_gold(chosen)
            messages.success(request, f"The ranking by {name} is no longer gold.")
        elif (instead := controls.mark_gold(chosen).instead_of) is None:
            messages.success(request, f"{name}’s ranking is now the gold ranking.")
        else:
            messages.success(
                request,
                f"{name}’s ranking is now the gold ranking, instead of {instead.member.name}’s.",
            )
    except controls.NotGoldError as problem:
        messages.error(request, str(problem))
    return redirect("prompt", member.project.slug, pk)


@require_POST
@member_view(Role.MANAGER)
def take_back(request: HttpRequest, member: Member, pk: int, task: int) -> HttpResponse:
    """Take this prompt back from a labeller."""
    assignment = get_object_or_404(
        Assignment.objects.select_related("member"),
        pk=task,
        prompt=pk,
        prompt__project=member.project,
    )
    if prompts.take_back(assignment=assignment):
        messages.success(request, f"The prompt was taken back from {assignment.member.name}.")
    else:
        messages.error(request, f"{assignment.member.name} no longer has this prompt.")
    return redirect("prompt", member.project.slug, pk)
