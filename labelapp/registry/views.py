"""The pages of the registry: all versions, one version, and its promotion."""

import re
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from labelapp.models import Alias, AliasMove, Member, ModelVersion, Role, State, TrainingRun
from labelapp.registry import gates, lineage, promotion, service, versions
from labelapp.registry.forms import GatesForm, MoveForm
from labelapp.registry.listing import candidates, version_rows
from labelapp.runs import leads, run_verdict
from labelapp.runs.comparison.comparing import compare_url
from labelapp.runs.one_run.run_files import MODEL_ARCHIVE, has_own_code, loading_code
from labelapp.web.access import REVIEWERS, member_view, signed_in, trainer_view

MOVES_SHOWN = 50


def find(member: Member, number: int) -> ModelVersion:
    """Return a version of the member's project. Raises Http404."""
    found = ModelVersion.objects.select_related("run", "project", "created_by")
    return get_object_or_404(found, project=member.project, number=number)


def base_context(member: Member) -> dict[str, Any]:
    moves = versions.current_moves(member.project)
    return {
        "champion": moves.get(Alias.CHAMPION),
        "challenger": moves.get(Alias.CHALLENGER),
    }


@require_safe
@member_view(*REVIEWERS)
def index(request: HttpRequest, member: Member) -> HttpResponse:
    return index_response(request, member)


def index_response(
    request: HttpRequest, member: Member, form: GatesForm | None = None, status: int = 200
) -> HttpResponse:
    project = member.project
    context = base_context(member)
    moves = AliasMove.objects.filter(project=project)
    champion = context["champion"].version if context["champion"] else None
    context |= {
        "rows": version_rows(project),
        "candidates": candidates(project),
        "has_runs": project.runs.filter(state=State.DONE).exists(),
        "moves": moves.select_related("version", "previous", "created_by")[:MOVES_SHOWN],
        "earlier": versions.earlier_champion(project),
        "lead": leads.verdict(champion.run.held_out) if champion and champion.run else None,
        "gates": gates.gates_of(project),
        "gates_form": form or GatesForm(instance=gates.gates_of(project)),
        "is_running": service.is_running() if champion else False,
    }
    return render(request, "registry/index.html", context, status=status)


@require_POST
@member_view(Role.MANAGER)
def set_gates(request: HttpRequest, member: Member) -> HttpResponse:
    form = GatesForm(request.POST, instance=gates.gates_of(member.project))
    if not form.is_valid():
        return index_response(request, member, form, status=422)
    form.save()
    messages.success(request, _("The gates are saved. They are checked at the next promotion."))
    return redirect("models", member.project.slug)


@require_POST
@trainer_view
def register(request: HttpRequest, member: Member, pk: int) -> HttpResponse:
    run = get_object_or_404(TrainingRun, pk=pk, project=member.project)
    try:
        version = versions.register(run, signed_in(request))
    except versions.RegistryError as error:
        messages.error(request, str(error))
        return redirect("run", member.project.slug, pk)
    messages.success(
        request, _("%(run)s is %(name)s now.") % {"run": run.title, "name": version.name}
    )
    return redirect("model_version", member.project.slug, version.number)


@require_safe
@member_view(*REVIEWERS)
def detail(request: HttpRequest, member: Member, number: int) -> HttpResponse:
    version = find(member, number)
    own_code = version.run is None or has_own_code(version.run)
    context = base_context(member) | {
        "version": version,
        "run": version.run,
        "verdict": run_verdict.verdict_on(version.run) if version.run else None,
        "facts": lineage.facts(version),
        "moves": version.moves.select_related("version", "previous", "created_by"),
        "archive": MODEL_ARCHIVE,
        "is_pretrained": not own_code,
        "loading_code": loading_code("model", own_code=own_code),
    }
    return render(request, "registry/version.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@member_view(*REVIEWERS)
def promote(request: HttpRequest, member: Member, number: int) -> HttpResponse:
    """Show the evidence, and make the version the champion once a manager says why."""
    version = find(member, number)
    try:
        prepared = promotion.prepare(version)
    except versions.RegistryError as error:
        messages.error(request, str(error))
        return redirect("models", member.project.slug)
    champion, blocked, evidence = prepared.champion, prepared.is_blocked, prepared.evidence
    if request.method == "POST":
        if not member.manages:
            raise PermissionDenied(_("Only a manager of this project can promote a model."))
        form = MoveForm(request.POST, blocked=blocked)
        if form.is_valid():
            return make_champion(request, member, prepared, form)
    else:
        seen = champion.number if champion else None
        form = MoveForm(initial={"seen": seen}, blocked=blocked)
    context = base_context(member) | {
        "version": version,
        "run": version.run,
        "is_champion": champion == version,
        "evidence": evidence,
        "headline": prepared.headline,
        "compare": compare_url(evidence.champion, evidence.candidate) if evidence else "",
        "verdict": run_verdict.verdict_on(prepared.run),
        "gates": prepared.gates,
        "blocked": blocked,
        "form": form,
    }
    status = 422 if request.method == "POST" else 200
    return render(request, "registry/promote.html", context, status=status)


def make_champion(
    request: HttpRequest, member: Member, prepared: promotion.Promotion, form: MoveForm
) -> HttpResponse:
    seen, reason = form.cleaned_data["seen"], form.cleaned_data["reason"]
    version = prepared.version
    try:
        promotion.promote(prepared, seen=seen, reason=reason, user=signed_in(request))
    except versions.RegistryError as error:
        messages.error(request, str(error))
        return redirect("model_promote", member.project.slug, version.number)
    messages.success(
        request,
        _("%(name)s is the champion. The reward service follows within seconds.")
        % {"name": version.name},
    )
    return redirect("models", member.project.slug)


@require_POST
@trainer_view
def challenge(request: HttpRequest, member: Member, number: int) -> HttpResponse:
    """Make a version the challenger."""
    version = find(member, number)
    now = versions.holder(member.project, Alias.CHALLENGER)
    try:
        if versions.holder(member.project, Alias.CHAMPION) == version:
            raise versions.RegistryError(
                _("%(name)s is the champion. Choose another version.") % {"name": version.name}
            )
        versions.move(
            Alias.CHALLENGER,
            version,
            project=member.project,
            seen=now.number if now else None,
            reason=gettext_noop("Chosen on the page Models."),
            user=signed_in(request),
        )
        messages.success(request, _("%(name)s is the challenger.") % {"name": version.name})
    except versions.RegistryError as error:
        messages.error(request, str(error))
    return redirect("models", member.project.slug)


@require_POST
@trainer_view
def no_challenger(request: HttpRequest, member: Member) -> HttpResponse:
    """Let the challenger point to nothing."""
    seen = request.POST.get("seen", "")
    try:
        versions.move(
            Alias.CHALLENGER,
            None,
            project=member.project,
            seen=int(seen) if re.fullmatch(r"[0-9]{1,9}", seen) else None,
            reason=gettext_noop("Taken back on the page Models."),
            user=signed_in(request),
        )
        messages.success(request, _("There is no challenger any more."))
    except versions.RegistryError as error:
        messages.error(request, str(error))
    return redirect("models", member.project.slug)


@require_POST
@member_view(Role.MANAGER)
def roll_back(request: HttpRequest, member: Member) -> HttpResponse:
    """Make the earlier champion the champion again."""
    earlier = versions.earlier_champion(member.project)
    now = versions.holder(member.project, Alias.CHAMPION)
    seen = request.POST.get("seen", "")
    if earlier is None or now is None or str(now.number) != seen:
        messages.error(request, _("The champion has changed since you opened the page."))
        return redirect("models", member.project.slug)
    try:
        versions.move(
            Alias.CHAMPION,
            earlier,
            project=member.project,
            seen=now.number,
            reason=gettext_noop("Rolled back."),
            is_roll_back=True,
            user=signed_in(request),
        )
        messages.success(
            request,
            _("%(name)s is the champion again. The reward service follows within seconds.")
            % {"name": earlier.name},
        )
    except versions.RegistryError as error:
        messages.error(request, str(error))
    return redirect("models", member.project.slug)


@require_POST
@member_view(Role.MANAGER)
def withdraw(request: HttpRequest, member: Member, number: int) -> HttpResponse:
    version = find(member, number)
    try:
        versions.withdraw(version, signed_in(request))
        messages.success(
            request,
            _("%(name)s is withdrawn. Its run and its history are still there.")
            % {"name": version.name},
        )
    except versions.RegistryError as error:
        messages.error(request, str(error))
    return redirect("models", member.project.slug)
