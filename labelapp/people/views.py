"""The page of a labeller, and what a manager does there."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from labelapp.labelling import returning
from labelapp.models import Member, MemberMessage, MemberNote, RankingReturn, Role
from labelapp.people import exclusions, page, records
from labelapp.people.forms import ExclusionForm, TextForm
from labelapp.projects import prompt_queue
from labelapp.projects.assignees import waiting_for
from labelapp.projects.forms.prompts import selected_prompts
from labelapp.quality import measurement, tasks
from labelapp.web.access import REVIEWERS, member_view, signed_in
from labelapp.web.addresses import sent_from, with_query


def find(member: Member, pk: int) -> Member:
    """Return a member of the project, with a login or without. Raises Http404 for others."""
    persons = Member.objects.select_related("user", "project")
    return get_object_or_404(persons, pk=pk, project=member.project)


def page_response(
    request: HttpRequest, member: Member, person: Member, status: int = 200, **extra: Any
) -> HttpResponse:
    context = page.page_context(member, person, request.GET.dict())
    return render(request, "people/detail.html", context | extra, status=status)


def back(person: Member, section: str = "", to: str = "", **query: str) -> HttpResponse:
    """Redirect to a section of the labeller's page, or to another page of this application."""
    address = with_query(to or reverse("person", args=[person.project.slug, person.pk]), query)
    return redirect(f"{address}#{section}" if section else address)


def measure_again(request: HttpRequest, member: Member) -> None:
    """Measure agreement again, because other rankings count, if it was ever measured."""
    if member.project.measurements.exists():
        measurement.start(
            project=member.project,
            user=signed_in(request),
            enqueue=tasks.measure_agreement.enqueue,
        )


@require_safe
@member_view(*REVIEWERS)
def detail(request: HttpRequest, member: Member, pk: int) -> HttpResponse:
    return page_response(request, member, find(member, pk))


@require_POST
@member_view(Role.MANAGER)
def leave_out(request: HttpRequest, member: Member, pk: int) -> HttpResponse:
    person = find(member, pk)
    form = ExclusionForm(request.POST)
    if not form.is_valid():
        return page_response(request, member, person, status=422, exclusion_form=form)
    released = waiting_for(person)
    try:
        exclusions.exclude(
            member=person,
            by=signed_in(request),
            reason=form.cleaned_data["reason"],
            since=form.start,
        )
    except exclusions.ExcludedMeanwhileError:
        messages.error(
            request, _("%(name)s’s rankings are left out already.") % {"name": person.name}
        )
        return back(person)
    measure_again(request, member)
    if released:
        opened = ngettext(
            "%(number)s prompt assigned to %(name)s is open to others again.",
            "%(number)s prompts assigned to %(name)s are open to others again.",
            released,
        )
        messages.success(request, opened % {"number": released, "name": person.name})
    return back(person)


@require_POST
@member_view(Role.MANAGER)
def count_again(request: HttpRequest, member: Member, pk: int) -> HttpResponse:
    """Undo leaving out a labeller."""
    person = find(member, pk)
    try:
        exclusions.end(member=person, by=signed_in(request))
    except exclusions.ExcludedMeanwhileError:
        messages.error(request, _("%(name)s’s rankings count already.") % {"name": person.name})
        return back(person)
    measure_again(request, member)
    messages.success(request, _("%(name)s’s rankings count again.") % {"name": person.name})
    return back(person)


@require_POST
@member_view(Role.MANAGER)
def ask_again(request: HttpRequest, member: Member, pk: int) -> HttpResponse:
    """Ask for one more ranking of the selected prompts, or with all=1 of all they have ranked."""
    person = find(member, pk)
    every = request.POST.get("all") == "1"
    asked = page.ranked_prompts(person)
    if not every:
        asked = selected_prompts(request.POST, asked)
    selected = None if every else list(asked.values_list("pk", flat=True))
    if selected == []:
        messages.error(request, _("Select at least one ranking."))
        return back(person)
    number = prompt_queue.ask_again(prompts=asked)
    return back(person, asked=page.sign_asked(person, number, selected))


@require_POST
@member_view(Role.MANAGER)
def stop_asking(request: HttpRequest, member: Member, pk: int) -> HttpResponse:
    """Undo asking again."""
    person = find(member, pk)
    found = page.read_asked(person, request.POST.get("asked", ""))
    if found is None:
        messages.error(
            request, _("This can no longer be undone. Change the prompts in their list.")
        )
        return back(person)
    selected = found[1]
    asked = page.ranked_prompts(person)
    if selected is not None:
        asked = asked.filter(pk__in=selected)
    number = prompt_queue.stop_asking(prompts=asked)
    undone = ngettext(
        "Undone: %(number)s prompt will not be ranked once more.",
        "Undone: %(number)s prompts will not be ranked once more.",
        number,
    )
    messages.success(request, undone % {"number": number})
    return back(person)


@require_POST
@member_view(Role.MANAGER)
def return_rankings(request: HttpRequest, member: Member, pk: int) -> HttpResponse:
    """Return the selected rankings to their labeller, and go back to the page that asked."""
    person = find(member, pk)
    page_before = sent_from(request)
    asked = selected_prompts(request.POST, page.ranked_prompts(person))
    if not asked.exists():
        messages.error(request, _("Select at least one ranking."))
        return back(person, to=page_before)
    name = {"name": person.name}
    try:
        returned = returning.return_rankings(member=person, prompts=asked, by=signed_in(request))
    except returning.CannotReturnError:
        messages.error(
            request,
            _("%(name)s cannot rank now. Bring them back, or count their rankings again, first.")
            % name,
        )
        return back(person, to=page_before)
    if returned is None:
        messages.error(
            request,
            _(
                "Nothing was returned: imported rankings, gold rankings, and those of prompts that "
                "measure the labeller cannot be."
            ),
        )
        return back(person, to=page_before)
    return back(person, to=page_before, returned=str(returned.pk))


@require_POST
@member_view(Role.MANAGER)
def undo_return(request: HttpRequest, member: Member, pk: int, returned: int) -> HttpResponse:
    """Make returned rankings count again, and go back to the page that asked."""
    person = find(member, pk)
    page_before = sent_from(request)
    made = get_object_or_404(RankingReturn, pk=returned, member=person)
    made.member = person
    try:
        number = returning.undo(made)
    except returning.RankedMeanwhileError:
        messages.error(
            request,
            _("%(name)s has already ranked or skipped what was returned, so nothing was changed.")
            % {"name": person.name},
        )
        return back(person, to=page_before)
    undone = ngettext(
        "Undone: %(number)s ranking counts again.",
        "Undone: %(number)s rankings count again.",
        number,
    ) % {"number": number}
    if others := len(made.rows) - number:
        rest = ngettext(
            "%(number)s was ranked again or skipped meanwhile, and stays so.",
            "%(number)s were ranked again or skipped meanwhile, and stay so.",
            others,
        )
        undone += " " + rest % {"number": others}
    messages.success(request, undone)
    return back(person, to=page_before)


@require_POST
@member_view(Role.MANAGER)
def write_note(request: HttpRequest, member: Member, pk: int) -> HttpResponse:
    person = find(member, pk)
    form = TextForm(request.POST, prefix="note")
    if not form.is_valid():
        return page_response(request, member, person, status=422, note_form=form)
    records.write_note(member=person, by=signed_in(request), text=form.cleaned_data["text"])
    return back(person, "notes")


@require_POST
@member_view(Role.MANAGER)
def delete_note(request: HttpRequest, member: Member, pk: int, note: int) -> HttpResponse:
    person = find(member, pk)
    get_object_or_404(MemberNote, pk=note, member=person).delete()
    messages.success(request, _("Note deleted."))
    return back(person)


@require_POST
@member_view(Role.MANAGER)
def send_message(request: HttpRequest, member: Member, pk: int) -> HttpResponse:
    person = find(member, pk)
    form = TextForm(request.POST, prefix="message")
    if not form.is_valid():
        return page_response(request, member, person, status=422, message_form=form)
    records.send(member=person, by=signed_in(request), text=form.cleaned_data["text"])
    return back(person, "messages")


@require_POST
@member_view(Role.MANAGER)
def withdraw_message(request: HttpRequest, member: Member, pk: int, message: int) -> HttpResponse:
    person = find(member, pk)
    records.withdraw(get_object_or_404(MemberMessage, pk=message, member=person))
    messages.success(request, _("Message withdrawn."))
    return back(person)
