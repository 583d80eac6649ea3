"""The ranking page: GET shows a task, POST stores its ranking and brings the next in one answer."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from labelapp.labelling import assignments, submissions
from labelapp.labelling.forms import RankingForm, SkipForm, posted_seconds, posted_uuid
from labelapp.labelling.page import task_context
from labelapp.labelling.verdict import Verdict
from labelapp.models import Assignment, Member
from labelapp.web.access import member_view
from labelapp.web.middleware import translated


def task_response(
    request: HttpRequest,
    member: Member,
    assignment: Assignment | None,
    verdict: Verdict | None = None,
    **extra: Any,
) -> HttpResponse:
    template = "labelling/_task.html" if request.htmx else "labelling/task.html"  # type: ignore[attr-defined]
    context = task_context(member, assignment, verdict) | extra
    return render(request, template, context, status=422 if extra.get("problems") else 200)


def refuse(request: HttpRequest, status: int, problem: str) -> HttpResponse:
    """A refusal that leaves what stands in the page as it is."""
    template = "labelling/_refused.html" if request.htmx else "labelling/refused.html"  # type: ignore[attr-defined]
    return render(request, template, {"problem": problem}, status=status)


def posted_task(request: HttpRequest, member: Member, name: str) -> Assignment | HttpResponse:
    """The task that was posted; a refusal where it is not the member's."""
    try:
        if (token := posted_uuid(request.POST, name)) is None:
            raise Assignment.DoesNotExist
        return submissions.find_assignment(member, token)
    except Assignment.DoesNotExist:
        problem = _("This task is no longer here. Reload the page for another.")
        return refuse(request, 404, problem)
    except submissions.NotYoursError:
        problem = _("This task is lent to somebody else; nothing was stored.")
        return refuse(request, 403, problem)


@translated
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
    return task_response(request, member, assignments.current_task(member))


def submit(request: HttpRequest, member: Member) -> HttpResponse:
    assignment = posted_task(request, member, "assignment")
    if isinstance(assignment, HttpResponse):
        return assignment
    form = RankingForm(request.POST, assignment=assignment, project=member.project)
    seconds = posted_seconds(request.POST)
    if not form.is_valid():
        submissions.keep_draft(assignment, form.verdict, seconds)
        return task_response(request, member, assignment, form.verdict, problems=form.problems)
    key, ahead = posted_uuid(request.POST, "key"), posted_uuid(request.POST, "next")
    with transaction.atomic():
        submissions.submit(assignment=assignment, verdict=form.verdict, key=key, seconds=seconds)
        following = assignments.go_on(member, ahead)
    return done_response(request, member, assignment, "stored", following)


def done_response(
    request: HttpRequest, member: Member, left: Assignment, what: str, following: Assignment | None
) -> HttpResponse:
    """The next task, behind one that was stored or skipped and that an undo brings back.

    Where the page has shown the next one already (`next` names it), only that the first is done.
    """
    if not request.htmx:  # type: ignore[attr-defined]
        done = {"stored": _("Ranking stored."), "skipped": _("Skipped.")}
        messages.success(request, done[what])
        return redirect("labelling", member.project.slug)
    context: dict[str, Any] = {"done": left, what: True}
    if posted_uuid(request.POST, "next") is not None:
        context |= {
            "progress": assignments.progress(member, roughly=True),
            "project": member.project,
        }
        return render(request, "labelling/_done.html", context)
    return task_response(request, member, following, **context)


@translated
@require_safe
@never_cache
@member_view()
def following(request: HttpRequest, member: Member) -> HttpResponse:
    """The task after the one that the page shows, for it to keep ready. 204 where there is none."""
    token = posted_uuid(request.GET, "beside")
    beside = member.assignments.filter(token=token).first() if token and member.pk else None
    task = assignments.next_task(member, beside) if beside else None
    if task is None:
        return HttpResponse(status=204)
    return render(request, "labelling/_task.html", task_context(member, task) | {"ahead": True})


@translated
@require_POST
@member_view()
def draft(request: HttpRequest, member: Member) -> HttpResponse:
    """What is entered so far, sent by the page as it is entered."""
    assignment = posted_task(request, member, "assignment")
    if isinstance(assignment, HttpResponse):
        return assignment
    keep(request, member, assignment)
    return HttpResponse(status=204)


def keep(request: HttpRequest, member: Member, assignment: Assignment) -> None:
    """Remember what was posted, less what is not valid yet."""
    form = RankingForm(request.POST, assignment=assignment, project=member.project)
    form.is_valid()
    submissions.keep_draft(assignment, form.verdict, posted_seconds(request.POST))


@translated
@require_POST
@member_view()
def alive(request: HttpRequest, member: Member) -> HttpResponse:
    """The page is still open: its tasks stay lent."""
    tokens = [posted_uuid({"token": text}, "token") for text in request.POST.getlist("token")[:2]]
    assignments.keep_alive(member, [token for token in tokens if token])
    return HttpResponse(status=204)


@translated
@require_POST
@member_view()
def skip(request: HttpRequest, member: Member) -> HttpResponse:
    assignment = posted_task(request, member, "assignment")
    if isinstance(assignment, HttpResponse):
        return assignment
    form = SkipForm(request.POST)
    if not form.is_valid():
        return refuse(request, 400, _("Say why you skip it: choose a reason."))
    reason, note = form.cleaned_data["reason"], form.cleaned_data["skip_note"]
    keep(request, member, assignment)
    with transaction.atomic():
        submissions.skip(assignment=assignment, reason=reason, note=note)
        following = assignments.go_on(member, posted_uuid(request.POST, "next"))
    return done_response(request, member, assignment, "skipped", following)


@translated
@require_POST
@member_view()
def undo(request: HttpRequest, member: Member) -> HttpResponse:
    """Bring a task that was ranked or skipped back in front of its labeller."""
    assignment = posted_task(request, member, "undo")
    if isinstance(assignment, HttpResponse):
        return assignment
    reopened = submissions.reopen(assignment)
    if not request.htmx:  # type: ignore[attr-defined]
        return redirect("labelling", member.project.slug)
    return task_response(request, member, reopened, reopened=True)
