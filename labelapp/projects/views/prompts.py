"""The pages that list prompts, show one, and let managers change the queue."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from labelapp.labelling import controls
from labelapp.labelling.blinding import giveaways
from labelapp.models import (
    Assignment,
    Member,
    Project,
    Prompt,
    PromptAgreement,
    PromptDeletion,
    Ranking,
    Role,
    Tag,
)
from labelapp.projects import prompt_changes, prompt_history, prompt_queue, prompts, tags
from labelapp.projects.assignees import assignable
from labelapp.projects.forms.prompts import (
    SHARES,
    ActionForm,
    TagForm,
    WantedForm,
    problems,
    selected_prompts,
)
from labelapp.projects.prompt_deletion import OFFERED_TO_RESTORE
from labelapp.projects.prompt_filters import (
    DISAGREE,
    LENGTHS,
    METADATA,
    NARROWING,
    RANKED,
    STATES,
    PromptFilter,
    matching,
)
from labelapp.projects.prompt_orders import sorts_by_metadata
from labelapp.rendering.texts import render_prompt, sources
from labelapp.web.access import REVIEWERS, member_view, signed_in
from labelapp.web.addresses import sent_from

OFFERED = "prompts-undo"  # in the session: the next page offers to undo the last change
MAX_LABELLERS = 500  # in the filter
COLUMNS = (
    ("prompt", gettext_lazy("Prompt")),
    ("rankings", gettext_lazy("Rankings")),
    ("progress", gettext_lazy("In progress")),
    ("wanted", gettext_lazy("Wanted")),
    ("priority", gettext_lazy("Priority")),
    ("skips", gettext_lazy("Skips")),
    ("disagreement", gettext_lazy("Disagreement")),
)
SORT_CHOICES = (
    ("", gettext_lazy("Queue or import")),
    ("-prompt", gettext_lazy("Newest first")),
    ("-disagreement", gettext_lazy("Disagreement, most first")),
    ("-rankings", gettext_lazy("Rankings, most first")),
    ("rankings", gettext_lazy("Rankings, fewest first")),
    ("-progress", gettext_lazy("In progress, most first")),
    ("-wanted", gettext_lazy("Wanted, most first")),
    ("-priority", gettext_lazy("Priority, highest first")),
    ("-skips", gettext_lazy("Skips, most first")),
)


def require_manager_to_post(request: HttpRequest, member: Member) -> None:
    if request.method == "POST" and not member.manages:
        raise PermissionDenied(_("Only a manager of the project can change the queue."))


def count_matching(
    member: Member, chosen: PromptFilter, page: prompts.Page, *, is_first: bool
) -> int:
    """Return the number of prompts that a manager may change at once.

    A page that has them all is not searched for again: that would take as long as the page.
    """
    if is_first and not page.next:
        return len(page.rows)
    return prompts.count_matching(member.project, chosen) if member.manages else 0


def action_context(member: Member) -> dict[str, Any]:
    """Return what the actions of a manager offer to choose from."""
    if not member.manages:
        return {}
    return {
        "assignable": list(assignable(member.project)[:MAX_LABELLERS]),
        "shares": SHARES,
    }


def key_columns(project: Project, chosen: PromptFilter) -> list[tuple[str, str, str]]:
    """Return the columns of metadata: the key, its order, and the query that sorts by it, if any.

    A key sorts only where that is fast.
    """
    sorts = bool(chosen.keys) and sorts_by_metadata(project)
    names = [(key, f"{METADATA}{key}") for key in chosen.keys]
    return [(key, name, chosen.sorted_by(name) if sorts else "") for key, name in names]


def just_deleted(request: HttpRequest, project: Project) -> PromptDeletion | None:
    """Return the deletion that the person has just made, which the page offers to undo."""
    pk = request.session.pop(OFFERED_TO_RESTORE, None)
    return project.prompt_deletions.filter(pk=pk, kept_in__isnull=False).first() if pk else None


def tag_names(project: Project) -> list[str]:
    return list(project.tags.values_list("name", flat=True))


def list_response(request: HttpRequest, member: Member, **extra: Any) -> HttpResponse:
    """Render the list for the query string, ignoring invalid values."""
    project, after = member.project, request.GET.get("after", "")
    chosen = PromptFilter.of(request.GET)
    page = prompts.page(project=project, chosen=chosen, after=after)
    context = {
        "page": page,
        "states": [(state, name, chosen.query(show=state)) for state, name in STATES.items()],
        "columns": [(name, title, chosen.sorted_by(name)) for name, title in COLUMNS],
        "chosen": chosen,
        "key_columns": key_columns(project, chosen),
        "ranked_choices": RANKED.items(),
        "sort_choices": SORT_CHOICES,
        "disagree_choices": DISAGREE.items(),
        "length_choices": LENGTHS.items(),
        "tag_names": tag_names(project),
        "keys": prompts.metadata_keys(project),
        "labellers": project.members.order_by("name").values_list("pk", "name")[:MAX_LABELLERS],
        "matching": count_matching(member, chosen, page, is_first=not after),
        "counted": prompts.COUNTED,
        "is_first": not after,
        "chosen_query": chosen.query(),
        "cleared_query": chosen.query(**dict.fromkeys(NARROWING)),
        "unsearched_query": chosen.query(q=""),
        "can_undo": request.session.pop(OFFERED, False)
        and prompt_changes.last_change(project, signed_in(request)),
        "just_deleted": just_deleted(request, project),
        **action_context(member),
        "wanted": WantedForm(initial={"wanted": member.project.rankings_per_prompt}),
    }
    status = 422 if extra.get("problems") else 200
    return render(request, "projects/prompts/list.html", context | extra, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
@member_view(*REVIEWERS)
def index(request: HttpRequest, member: Member) -> HttpResponse:
    require_manager_to_post(request, member)
    if request.method != "POST":
        return list_response(request, member)
    every = request.POST.get("all") == "1"
    if every:
        selected = matching(member.project, PromptFilter.of(request.GET))
    else:
        selected = selected_prompts(request.POST, member.project.prompts.all())
    form = ActionForm(request.POST, project=member.project, prompts=selected)
    if not form.is_valid():
        checked = set() if every else set(selected.values_list("pk", flat=True))
        return list_response(request, member, problems=problems(form), checked=checked)
    messages.success(request, form.carry_out(by=signed_in(request)))
    request.session[OFFERED] = True
    return redirect(request.get_full_path())


@require_POST
@member_view(Role.MANAGER)
def undo(request: HttpRequest, member: Member) -> HttpResponse:
    """Undo the manager's last change of prompts."""
    change = prompt_changes.last_change(member.project, signed_in(request))
    if change is None:
        messages.error(request, _("There is nothing to undo."))
    else:
        number = prompt_changes.undo(change)
        undone = ngettext(
            "Undone: %(number)s prompt as before.", "Undone: %(number)s prompts as before.", number
        )
        messages.success(request, undone % {"number": number})
    return redirect(f"{reverse('prompts', args=[member.project.slug])}?{request.GET.urlencode()}")


@require_POST
@member_view(Role.MANAGER)
def wanted(request: HttpRequest, member: Member) -> HttpResponse:
    """Set the number of rankings for every queued prompt."""
    form = WantedForm(request.POST)
    if not form.is_valid():
        return list_response(request, member, problems=problems(form), wanted=form)
    number = prompt_queue.set_rankings_wanted(
        project=member.project, wanted=form.cleaned_data["wanted"]
    )
    changed = ngettext("%(number)s prompt changed.", "%(number)s prompts changed.", number)
    messages.success(request, changed % {"number": number})
    return redirect("prompts", member.project.slug)


def detail_response(
    request: HttpRequest, member: Member, prompt: Prompt, **extra: Any
) -> HttpResponse:
    history = prompt_history.history(prompt)
    chat, texts = render_prompt(
        prompt.messages, [response.text for _, response in history.responses]
    )
    context = {
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
        "assignees": prompts.assignees_of([prompt.pk]).get(prompt.pk, []),
        "tags": prompts.tags_of([prompt.pk]).get(prompt.pk, []),
        "metadata": [(key, prompts.shown(one)) for key, one in (prompt.metadata or {}).items()],
        "tag_names": tag_names(member.project) if member.manages else [],
        **action_context(member),
        "reviewed": PromptAgreement.objects.filter(prompt=prompt).exists(),
        "has_versions": member.project.model_versions.registered().exists(),
        "now": timezone.now(),
    }
    status = 422 if extra.get("problems") else 200
    return render(request, "projects/prompts/detail.html", context | extra, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
@member_view(*REVIEWERS)
def detail(request: HttpRequest, member: Member, pk: int) -> HttpResponse:
    if request.POST.get("act") != "again":  # which a reviewer of a disagreement decides, too
        require_manager_to_post(request, member)
    prompt = get_object_or_404(Prompt, pk=pk, project=member.project)
    if request.method != "POST":
        return detail_response(request, member, prompt)
    here = member.project.prompts.filter(pk=pk)
    form = ActionForm(request.POST, project=member.project, prompts=here)
    if not form.is_valid():
        return detail_response(request, member, prompt, problems=problems(form))
    messages.success(request, form.carry_out(by=signed_in(request)))
    return redirect(sent_from(request) or reverse("prompt", args=[member.project.slug, pk]))


@require_safe
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
    names = {"name": chosen.member.name}
    try:
        if request.POST.get("gold") != "1":
            controls.unmark_gold(chosen)
            message = _("The ranking by %(name)s is no longer gold.")
        elif (instead := controls.mark_gold(chosen).instead_of) is None:
            message = _("%(name)s’s ranking is now the gold ranking.")
        else:
            names["other"] = instead.member.name
            message = _("%(name)s’s ranking is now the gold ranking, instead of %(other)s’s.")
        messages.success(request, message % names)
    except controls.NotGoldError as problem:
        messages.error(request, str(problem))
    return redirect(sent_from(request) or reverse("prompt", args=[member.project.slug, pk]))


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
    name = {"name": assignment.member.name}
    if prompt_queue.take_back(assignment=assignment):
        messages.success(request, _("The prompt was taken back from %(name)s.") % name)
    else:
        messages.error(request, _("%(name)s no longer has this prompt.") % name)
    return redirect("prompt", member.project.slug, pk)


@require_safe
@member_view(Role.MANAGER)
def list_tags(request: HttpRequest, member: Member) -> HttpResponse:
    """Show the project's tags, to rename and delete them."""
    return tags_response(request, member)


def tags_response(request: HttpRequest, member: Member, **extra: Any) -> HttpResponse:
    here = Q(prompt_tags__prompt__project=member.project)
    number = Count("prompt_tags", filter=here)
    context = {
        "tags": member.project.tags.annotate(number=number),
    }
    status = 422 if extra.get("problems") else 200
    return render(request, "projects/prompts/tags.html", context | extra, status=status)


@require_POST
@member_view(Role.MANAGER)
def change_tag(request: HttpRequest, member: Member, pk: int) -> HttpResponse:
    """Rename a tag, or delete it with act=delete."""
    tag = get_object_or_404(Tag, pk=pk, project=member.project)
    if request.POST.get("act") == "delete":
        tags.delete(tag)
        messages.success(request, _("Tag “%(tag)s” deleted.") % {"tag": tag.name})
        return redirect("prompt_tags", member.project.slug)
    form = TagForm(request.POST)
    if not form.is_valid():
        return tags_response(request, member, problems=problems(form))
    before, name = tag.name, form.cleaned_data["name"]
    if not tags.rename(tag=tag, name=name):
        raise Http404
    messages.success(request, _("Tag “%(tag)s” is now “%(name)s”.") % {"tag": before, "name": name})
    return redirect("prompt_tags", member.project.slug)
