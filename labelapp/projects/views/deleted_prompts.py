"""The pages on which managers delete prompts, and restore them."""

from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, ngettext_lazy
from django.views.decorators.http import require_POST, require_safe

from labelapp.models import Member, Project, Prompt, Role
from labelapp.projects import prompt_deletion, tasks
from labelapp.projects.forms.confirm import ConfirmNumberForm
from labelapp.projects.forms.prompts import selected_prompts
from labelapp.projects.prompt_filters import PromptFilter, matching
from labelapp.web.access import member_view, signed_in

# What goes with prompts, by its name in prompt_deletion.count.
DELETED = {
    "prompt": ngettext_lazy("prompt", "prompts"),
    "response": ngettext_lazy("response", "responses"),
    "ranking": ngettext_lazy("ranking by labellers", "rankings by labellers"),
    "earlier version": ngettext_lazy(
        "earlier version of a ranking", "earlier versions of rankings"
    ),
    "decision": ngettext_lazy("adjudicated ranking", "adjudicated rankings"),
    "gold ranking": ngettext_lazy("gold ranking", "gold rankings"),
    "rating": ngettext_lazy(
        "response with a score or flags by a labeller",
        "responses with scores or flags by labellers",
    ),
    "score": ngettext_lazy("score by a model", "scores by models"),
    "comment": ngettext_lazy("comment", "comments"),
    "begun task": ngettext_lazy("task that somebody has begun", "tasks that somebody has begun"),
}


def chosen_prompts(request: HttpRequest, project: Project) -> QuerySet[Prompt]:
    """Return the prompts whose boxes are checked, or with all=1 those that match the address."""
    if request.POST.get("all") == "1":
        return matching(project, PromptFilter.of(request.GET))
    return selected_prompts(request.POST, project.prompts.all())


@require_POST
@member_view(Role.MANAGER)
def delete(request: HttpRequest, member: Member) -> HttpResponse:
    """Say what is deleted with the chosen prompts, and delete them once that is confirmed."""
    project, chosen = member.project, chosen_prompts(request, member.project)
    counts = prompt_deletion.count(chosen)
    back = f"{reverse('prompts', args=[project.slug])}?{request.GET.urlencode()}"
    if not counts["prompt"]:
        messages.error(request, _("Select at least one prompt."))
        return redirect(back)
    is_confirmed = "rankings" in request.POST
    form = ConfirmNumberForm(
        request.POST if is_confirmed else None,
        prompts=counts["prompt"],
        rankings=counts["ranking"],
    )
    if is_confirmed and form.is_valid():
        deletion = prompt_deletion.delete(
            chosen, project=project, by=signed_in(request), enqueue=tasks.delete_prompts.enqueue
        )
        messages.success(request, deleted_message(deletion.prompts))
        request.session[prompt_deletion.OFFERED_TO_RESTORE] = deletion.pk
        return redirect(back)
    every = request.POST.get("all") == "1"
    context: dict[str, Any] = {
        "form": form,
        "counts": [(DELETED[noun] % number, number) for noun, number in counts.items() if number],
        "back": back,
        "every": every,
        "keys": [] if every else list(chosen.order_by("pk").values_list("pk", flat=True)),
        "kept_days": prompt_deletion.KEPT_DAYS,
    }
    status = 422 if is_confirmed else 200
    return render(request, "projects/prompts/delete.html", context, status=status)


def deleted_message(number: int) -> str:
    """Return what is said of this many deleted prompts."""
    if number > prompt_deletion.IN_BACKGROUND:
        message = ngettext(
            "%(number)s prompt is being deleted in the background.",
            "%(number)s prompts are being deleted in the background.",
            number,
        )
    else:
        message = ngettext("%(number)s prompt deleted.", "%(number)s prompts deleted.", number)
    return message % {"number": number}


@require_safe
@member_view(Role.MANAGER)
def index(request: HttpRequest, member: Member) -> HttpResponse:
    """Show the project's deletions of prompts, to restore those that are not final yet."""
    context = {
        "deletions": prompt_deletion.listed(member.project),
        "kept_days": prompt_deletion.KEPT_DAYS,
    }
    return render(request, "projects/prompts/deleted.html", context)


@require_POST
@member_view(Role.MANAGER)
def restore(request: HttpRequest, member: Member, pk: int) -> HttpResponse:
    """Restore the prompts of a deletion."""
    deletion = get_object_or_404(
        member.project.prompt_deletions.filter(kept_in__isnull=False), pk=pk
    )
    left = prompt_deletion.restore(
        deletion, by=signed_in(request), enqueue=tasks.restore_prompts.enqueue
    )
    if left is None:
        messages.success(request, _("The prompts are being restored in the background."))
        return redirect("prompts", member.project.slug)
    restored = deletion.prompts - left
    if restored:
        message = ngettext("%(number)s prompt restored.", "%(number)s prompts restored.", restored)
        messages.success(request, message % {"number": restored})
    if left:
        message = ngettext(
            "%(number)s prompt stays deleted, because the project has it again.",
            "%(number)s prompts stay deleted, because the project has them again.",
            left,
        )
        messages.warning(request, message % {"number": left})
        return redirect("prompts_deleted", member.project.slug)
    return redirect(f"{reverse('prompts', args=[member.project.slug])}?{request.GET.urlencode()}")
