"""The form that starts a run: filled in from a preset or from another run, with an estimate."""

import uuid
from typing import Any, TypeVar

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render

from labelapp.models import Exclusion, Member, Project, TrainingRun
from labelapp.runs import lifecycle, tasks
from labelapp.runs.changed_settings import changed_values, in_words
from labelapp.runs.starting.data_counts import data_counts
from labelapp.runs.starting.encoder import encoder
from labelapp.runs.starting.estimate import estimate
from labelapp.runs.starting.forms import TrainForm
from labelapp.runs.starting.presets import PRESETS, preset
from labelapp.web.access import signed_in
from labelapp.web.query import key_of
from training.aggregation import RankingFilter
from training.config import TrainConfig

F = TypeVar("F", bound=TrainForm)


def form_response(request: HttpRequest, member: Member) -> HttpResponse:
    """Show the form with the settings that the query string asks for."""
    query = request.GET
    context: dict[str, Any] = {}
    if again := query.get("again", ""):
        context["again"] = run = run_to_repeat(member, again)
        settings = changed_values(run.config)
        context["differ"] = in_words(run.config)
    else:
        context["chosen"] = chosen = preset(query.get("preset", ""))
        settings = chosen.settings
    form = TrainForm(
        project=member.project, initial={"form_key": uuid.uuid4(), **settings, **given(query)}
    )
    return render_form(request, member, form, **context)


def run_to_repeat(member: Member, number: str) -> TrainingRun:
    """Return the run of the project with this number. Raises Http404 if there is none."""
    return get_object_or_404(member.project.runs, pk=key_of(number))


def given(query: QueryDict) -> dict[str, str]:
    """Return the settings that a query string has values of, as without JavaScript."""
    names = TrainConfig().to_json()
    return {name: ",".join(query.getlist(name)) for name in query if name in names}


def render_form(
    request: HttpRequest, member: Member, form: TrainForm, status: int = 200, **extra: Any
) -> HttpResponse:
    """Render the page of the form."""
    estimated = estimate_context(member, form)
    context = form_context(member, form) | {"presets": PRESETS} | estimated | extra
    return render(request, "runs/new.html", context, status=status)


def form_context(member: Member, form: TrainForm) -> dict[str, Any]:
    """Return what every form that starts runs shows, and why nothing can be started."""
    return {
        "form": form,
        "groups": list(form.groups()),
        "encoder": encoder(),
        "blocked": lifecycle.reason_not_to_start(member.project),
        "left_out": Exclusion.objects.holding(member.project),
        "active": member.project.runs.active().count(),
    }


def checked(form: F, project: Project) -> F:
    """Return the form, filled in with its initial values if nothing was sent."""
    if form.is_bound:
        return form
    values = {name: form[name].value() for name in form.fields}
    given = {name: value for name, value in values.items() if value is not None}
    return type(form)(given, project=project)


def estimate_context(member: Member, form: TrainForm) -> dict[str, Any]:
    """Return what a run with the settings of the form would have and take."""
    form = checked(form, member.project)
    if not form.is_valid():
        return {"estimate": None}
    config = form.config
    rankings = RankingFilter.of(config.to_json())
    counts = data_counts(member.project, config.aggregation, rankings)
    return {"counts": counts, "estimate": estimate(member.project, config, counts)}


def estimate_response(request: HttpRequest, member: Member) -> HttpResponse:
    """Render the estimate for the settings in the query string."""
    form = TrainForm(request.GET, project=member.project)
    context = estimate_context(member, form)
    return render(request, "runs/_estimate.html", context)


def start(request: HttpRequest, member: Member) -> HttpResponse:
    """Start a run with the posted settings, or show what is wrong with them."""
    form = TrainForm(request.POST, project=member.project)
    if form.is_valid():
        try:
            run = lifecycle.start(
                project=member.project,
                config=form.config,
                user=signed_in(request),
                enqueue=tasks.train.enqueue,
                form_key=form.cleaned_data["form_key"],
            )
        except lifecycle.CannotTrainError as error:
            form.add_error(None, str(error))
        else:
            return redirect("run", member.project.slug, run.pk)
    return render_form(request, member, form, status=422)
