"""The ranking page: GET shows an assignment, POST stores its ranking and answers with the next.

A post is stored in a transaction that locks the labeller's row. The answer is rendered after the
transaction, so that nobody waits for it.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from labelapp.db.writer import write
from labelapp.labelling import assignments, own_progress, submissions
from labelapp.labelling.forms import RankingForm, SkipForm, posted_seconds, posted_uuid
from labelapp.labelling.pace import pace
from labelapp.labelling.page import page_context, unread
from labelapp.labelling.practice.marking import needs_practice
from labelapp.labelling.ranking_input import RankingInput
from labelapp.models import Assignment, Member, MemberMessage
from labelapp.web.access import member_view, membership, require_member, require_open, signed_in
from labelapp.web.middleware import PageRequest, translated

View = Callable[..., HttpResponseBase]


class LateResponse(TemplateResponse):
    """A template response that computes its context when it is rendered, after the view."""

    def __init__(
        self,
        request: HttpRequest,
        template: str,
        context: Callable[[], dict[str, object]],
        status: int = 200,
    ) -> None:
        super().__init__(request, template, status=status)
        self.late_context = context

    def resolve_context(self, context: Any) -> dict[str, object]:
        return self.late_context()


def posted_assignment(name: str) -> Callable[[View], View]:
    """Call the view as view(request, assignment, locked) with the assignment that a form names.

    Refuse one that is not the member's own. The view runs in a transaction in which the member is
    locked, and so are the assignments in `locked`: this one, and those that are open.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: PageRequest, slug: str) -> HttpResponseBase:
            token = posted_uuid(request.POST, name)
            with write():
                member = membership(signed_in(request), slug, assignments.LOCKED_MEMBERS)
                require_member(member)
                require_open(member)
                with assignments.save_counts(member):
                    locked = assignments.lock_assignments(member, token)
                    assignment = next((one for one in locked if one.token == token), None)
                    if assignment is None:
                        return refuse_assignment(request, member, token)
                    return view(request, assignment, locked)

        return guarded

    return decorate


def refuse_assignment(request: PageRequest, member: Member, token: Any) -> HttpResponse:
    """Say that an assignment is somebody else's, or that the project has none with this token."""
    theirs = Assignment.objects.filter(token=token, prompt__project=member.project_id)
    if token and theirs.exists():
        problem = _("This task is assigned to somebody else; nothing was saved.")
        return refuse(request, 403, problem)
    return refuse(request, 404, _("This task is no longer here. Reload the page for another."))


def refuse(request: PageRequest, status: int, problem: str) -> HttpResponse:
    """Answer with an error message, which leaves the page as it is."""
    template = "labelling/_refused.html" if request.htmx else "labelling/refused.html"
    return render(request, template, {"problem": problem}, status=status)


def assignment_response(
    request: PageRequest,
    member: Member,
    assignment: Assignment | None,
    entered: RankingInput | None = None,
    **extra: Any,
) -> HttpResponse:
    """Answer with the page of an assignment, or with the part of it that htmx replaces."""
    template = "labelling/_task.html" if request.htmx else "labelling/task.html"
    status = 422 if extra.get("problems") else 200

    def context() -> dict[str, object]:
        return page_context(member, assignment, entered) | extra

    return LateResponse(request, template, context, status=status)


def next_response(
    request: PageRequest,
    done: Assignment,
    outcome: str,
    following: Assignment | None,
) -> HttpResponse:
    """Answer with the next assignment after one that was stored or skipped.

    If the page already shows the next one (`next` names it), only the parts that change are sent.
    """
    member = done.member
    if not request.htmx:
        sentences = {"stored": _("Ranking stored."), "skipped": _("Skipped.")}
        messages.success(request, sentences[outcome])
        return redirect("labelling", member.project.slug)
    stored: dict[str, Any] = {"done": done, outcome: True}
    if posted_uuid(request.POST, "next") is None:
        return assignment_response(request, member, following, **stored)

    def context() -> dict[str, object]:
        progress = own_progress.progress(member, roughly=True)
        shown = {"progress": progress, "pace": pace(member), "project": member.project}
        return shown | {"unread": unread(member)} | stored

    return LateResponse(request, "labelling/_done.html", context)


@translated
@require_http_methods(["GET", "HEAD", "POST"])
def ranking_page(request: PageRequest, slug: str) -> HttpResponseBase:
    """Show an assignment, or store its ranking."""
    view = submit if request.method == "POST" else show
    return view(request, slug)


@member_view()
def show(request: PageRequest, member: Member) -> HttpResponse:
    """Show what the member is to rank now."""
    require_member(member)
    if needs_practice(member):
        return redirect("practice", member.project.slug)
    return assignment_response(request, member, assignments.current_assignment(member))


@posted_assignment("assignment")
def submit(request: PageRequest, assignment: Assignment, locked: list[Assignment]) -> HttpResponse:
    """Store a ranking and answer with the next assignment."""
    member = assignment.member
    form = ranking_form(request, assignment)
    seconds = posted_seconds(request.POST)
    if not form.is_valid():
        submissions.save_draft(assignment, form.entered, seconds)
        return assignment_response(
            request, member, assignment, form.entered, problems=form.problems
        )
    key, following = posted_uuid(request.POST, "key"), posted_uuid(request.POST, "next")
    submissions.submit(assignment=assignment, entered=form.entered, key=key, seconds=seconds)
    return next_response(
        request, assignment, "stored", assignments.advance(member, locked, following)
    )


def ranking_form(request: PageRequest, assignment: Assignment) -> RankingForm:
    """Return the form of an assignment with what was posted."""
    letters = submissions.letters(assignment)
    project = assignment.member.project
    return RankingForm(request.POST, letters=letters, project=project, partial=True)


@translated
@require_safe
@member_view()
def following(request: PageRequest, member: Member) -> HttpResponse:
    """Return the next assignment for the page to keep ready, or 204 if there is none."""
    token = posted_uuid(request.GET, "beside")
    current = member.assignments.filter(token=token).first() if token and member.pk else None
    after = assignments.next_assignment(member, current) if current else None
    if after is None:
        return HttpResponse(status=204)
    return render(request, "labelling/_task.html", page_context(member, after) | {"ahead": True})


@translated
@require_POST
@posted_assignment("assignment")
def draft(request: PageRequest, assignment: Assignment, locked: list[Assignment]) -> HttpResponse:
    """Save what is entered so far, sent by the page as it is entered."""
    save_posted(request, assignment)
    return HttpResponse(status=204)


def save_posted(request: PageRequest, assignment: Assignment) -> None:
    """Save the valid part of what was posted as a draft."""
    form = ranking_form(request, assignment)
    form.is_valid()
    submissions.save_draft(assignment, form.entered, posted_seconds(request.POST))


@translated
@require_POST
@member_view()
def alive(request: PageRequest, member: Member) -> HttpResponse:
    """Extend the leases of an open page's assignments."""
    require_member(member)
    tokens = [posted_uuid({"token": text}, "token") for text in request.POST.getlist("token")[:2]]
    assignments.keep_alive(member, [token for token in tokens if token])
    return HttpResponse(status=204)


@translated
@require_POST
@posted_assignment("assignment")
def skip(request: PageRequest, assignment: Assignment, locked: list[Assignment]) -> HttpResponse:
    """Skip an assignment and answer with the next one."""
    form = SkipForm(request.POST)
    if not form.is_valid():
        return refuse(request, 400, _("Say why you skip it: choose a reason."))
    reason, note = form.cleaned_data["reason"], form.cleaned_data["skip_note"]
    save_posted(request, assignment)
    submissions.skip(assignment=assignment, reason=reason, note=note)
    following = assignments.advance(assignment.member, locked, posted_uuid(request.POST, "next"))
    return next_response(request, assignment, "skipped", following)


@translated
@require_POST
@member_view()
def dismiss(request: PageRequest, member: Member, message: int) -> HttpResponse:
    """Do not show a manager's message to the member again."""
    get_object_or_404(MemberMessage, pk=message, member=member.pk)
    MemberMessage.objects.unread(member).filter(pk=message).update(dismissed_at=timezone.now())
    MemberMessage.objects.count_unread(member)
    if not request.htmx:
        return redirect("labelling", member.project.slug)
    context = {"project": member.project, "unread": unread(member)}
    return render(request, "labelling/_unread.html", context)


@translated
@require_POST
@posted_assignment("undo")
def undo(request: PageRequest, assignment: Assignment, locked: list[Assignment]) -> HttpResponse:
    """Bring an assignment that was ranked or skipped back in front of its labeller."""
    submissions.reopen(assignment)
    if not request.htmx:
        return redirect("labelling", assignment.member.project.slug)
    return assignment_response(request, assignment.member, assignment, reopened=True)
