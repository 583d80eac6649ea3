"""The page of a labeller, and what a manager does there."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from labelapp.models import Member, MemberMessage, MemberNote, Role
from labelapp.people import exclusions, page, records
from labelapp.people.forms import ExclusionForm, TextForm
from labelapp.projects import prompts
from labelapp.projects.forms.prompts import count_prompts, selected_prompts
from labelapp.quality import measurement, tasks
from labelapp.web.access import REVIEWERS, member_view, signed_in


def find(member: Member, pk: int) -> Member:
    """Return a member of the project, with a login or without. Raises Http404 for others."""
    persons = Member.objects.select_related("user", "project")
    return get_object_or_404(persons, pk=pk, project=member.project)


def page_response(
    request: HttpRequest, member: Member, person: Member, status: int = 200, **extra: Any
) -> HttpResponse:
    context = page.page_context(member, person, request.GET.dict())
    return render(request, "people/detail.html", context | extra, status=status)


def back(person: Member, section: str = "", **query: str) -> HttpResponse:
    response = redirect("person", person.project.slug, person.pk)
    response["Location"] += f"?{urlencode(query)}" if query else ""
    response["Location"] += f"#{section}" if section else ""
    return response


def measure_again(request: HttpRequest, member: Member) -> None:
    """Measure agreement again, because other rankings count, if it was ever measured."""
    if member.project.measurements.exists():
        measurement.start(
            project=member.project,
            user=signed_in(request),
            enqueue=tasks.measure_agreement.enqueue,
        )


@require_safe
@never_cache
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
    try:
        exclusions.exclude(
            member=person,
            by=signed_in(request),
            reason=form.cleaned_data["reason"],
            since=form.start,
        )
    except exclusions.ExcludedMeanwhileError:
        messages.error(request, f"{person.name}’s rankings are left out already.")
        return back(person)
    measure_again(request, member)
    return back(person)


@require_POST
@member_view(Role.MANAGER)
def count_again(request: HttpRequest, member: Member, pk: int) -> HttpResponse:
    """Undo leaving out a labeller."""
    person = find(member, pk)
    try:
        exclusions.end(member=person, by=signed_in(request))
    except exclusions.ExcludedMeanwhileError:
        messages.error(request, f"{person.name}’s rankings count already.")
        return back(person)
    measure_again(request, member)
    messages.success(request, f"{person.name}’s rankings count again.")
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
        messages.error(request, "Select at least one ranking.")
        return back(person, "rankings")
    number = prompts.ask_again(prompts=asked)
    return back(person, asked=page.sign_asked(person, number, selected))


@require_POST
@member_view(Role.MANAGER)
def stop_asking(request: HttpRequest, member: Member, pk: int) -> HttpResponse:
    """Undo asking again."""
    person = find(member, pk)
    found = page.read_asked(person, request.POST.get("asked", ""))
    if found is None:
        messages.error(request, "This can no longer be undone. Change the prompts in their list.")
        return back(person)
    _, selected = found
    asked = page.ranked_prompts(person)
    if selected is not None:
        asked = asked.filter(pk__in=selected)
    number = prompts.stop_asking(prompts=asked)
    messages.success(request, f"Undone: {count_prompts(number)} will not be ranked once more.")
    return back(person)


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
    messages.success(request, "Note deleted.")
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
    messages.success(request, "Message withdrawn.")
    return back(person)
