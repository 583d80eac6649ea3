"""The pages of reviewing: the prompts by disagreement, and one prompt in full."""

from typing import Any

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.functional import SimpleLazyObject
from django.utils.http import urlencode
from django.views.decorators.http import require_POST, require_safe

from labelapp.labelling.returning import just_returned, returnable_rankings
from labelapp.models import Exclusion, Member, Prompt, PromptAgreement, Response, TrainingRun
from labelapp.rendering.letters import letter
from labelapp.rendering.texts import render_prompt, sources
from labelapp.reviewing import listing, tasks
from labelapp.reviewing.export import csv_lines
from labelapp.reviewing.filters import ORDERS, Filter, default_sort, filtered
from labelapp.reviewing.forms import FilterForm, labellers, other_models
from labelapp.reviewing.heat_map import heat_map
from labelapp.reviewing.measurement import last_measurement, start
from labelapp.reviewing.pairs import pair_rows
from labelapp.reviewing.plots import leaderboard_plot, length_plot, rank_plot
from labelapp.reviewing.raters import rater_rows
from labelapp.reviewing.rating_table import rating_table
from labelapp.reviewing.results import Review
from labelapp.reviewing.review import ReviewedResponse, review
from labelapp.reviewing.run_choice import run_choices, runs_to_choose
from labelapp.runs.held_out_figures import figures_context
from labelapp.runs.one_run.run_plots import calibration_plots
from labelapp.web.access import REVIEWERS, member_view, signed_in
from labelapp.web.query import key_of
from training.runs.outcomes import OutcomeModel

PROMPTS_PER_PAGE = 20


def chosen_run(request: HttpRequest, member: Member) -> TrainingRun | None:
    """Return the run named by ?run=, or the newest scored one. Raises Http404 for any other."""
    if number := request.GET.get("run", ""):
        return named_run(number, member)
    return member.project.runs.scored().first()


def named_run(number: str, member: Member) -> TrainingRun:
    """Return the scored run of the project with a number. Raises Http404 if there is none."""
    return get_object_or_404(member.project.runs.scored(), pk=key_of(number))


def filter_form(
    request: HttpRequest, member: Member, run: TrainingRun, runs: list[TrainingRun] | None = None
) -> FilterForm:
    """Return the form of the filters, bound to the query string.

    An order is always chosen, so that the form says it, and a link keeps it.
    """
    total = listing.count_all(run)
    if runs is None:  # only the list offers them, and a link from it may name one
        runs = runs_to_choose(run) if request.GET.get("differs") else []
    given = request.GET.copy()
    if given.get("sort") not in ORDERS:
        given["sort"] = default_sort(run)
    return FilterForm(
        given,
        runs=other_models(run, runs),
        sources=listing.sources(run, total),
        labellers=labellers(member.project, total * listing.ROWS_PER_PROMPT),
        flags=member.project.flags,
    )


@require_safe
@member_view(*REVIEWERS)
def index(request: HttpRequest, member: Member) -> HttpResponse:
    given = [(name, str(value)) for name, value in request.GET.items() if value]
    if len(given) < len(request.GET):
        # The form sends its empty fields, too; a link to share has none.
        return redirect(f"{request.path}?{urlencode(given)}")
    run = chosen_run(request, member)
    context: dict[str, Any] = {"run": run}
    if run is not None:
        runs = runs_to_choose(run)
        form = filter_form(request, member, run, runs)
        context |= list_context(request, member, run, form.chosen(), runs) | {"form": form}
    return render(request, "reviewing/list.html", context)


def list_context(
    request: HttpRequest,
    member: Member,
    run: TrainingRun,
    chosen: Filter,
    runs: list[TrainingRun],
) -> dict[str, Any]:
    """Return a page of the prompts that a filter shows."""
    total = listing.count_all(run)
    pages = Paginator(filtered(run, chosen).select_related("prompt"), PROMPTS_PER_PAGE)
    pages.count = listing.count(run, chosen, total)
    page = pages.get_page(request.GET.get("page"))
    return {
        "runs": run_choices(runs),
        "left_out": Exclusion.objects.holding(member.project),
        "other_run": next((other for other in runs if other != run), None),
        "total": total,
        "page": page,
        "reviewed": review(run, list(page.object_list)),
        "is_narrowed": chosen.is_narrowed,
        "measurement": (measurement := last_measurement(run)),
        **(plots_of(measurement.review, run) if measurement.review else {}),
        "view": chosen.query(run),
        "query": f"{chosen.query(run)}&",
    } | figures_context(run)


@require_safe
@member_view(*REVIEWERS)
def export(request: HttpRequest, member: Member) -> HttpResponseBase:
    """Download the prompts that the filter shows as CSV."""
    run = chosen_run(request, member)
    if run is None:
        return redirect("reviewing", member.project.slug)
    chosen = filter_form(request, member, run).chosen()
    return StreamingHttpResponse(
        csv_lines(run, filtered(run, chosen)),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="review-of-run-{run.pk}.csv"'},
    )


@require_safe
@member_view(*REVIEWERS)
def figures(request: HttpRequest, member: Member) -> HttpResponse:
    """Show the sources, the raters and the rewards of a run in full."""
    run = chosen_run(request, member)
    if run is None:
        return redirect("reviewing", member.project.slug)
    measurement = last_measurement(run)
    context: dict[str, Any] = {
        "run": run,
        "measurement": measurement,
        "calibrations": calibration_plots(run),
    }
    if review := measurement.review:
        context |= plots_of(review, run) | {
            "map": heat_map(review, run, dict(member.project.members.values_list("pk", "name"))),
            "ratings": rating_table(review.ratings),
        }
    return render(request, "reviewing/figures.html", context)


def plots_of(review: Review, run: TrainingRun) -> dict[str, Any]:
    """Return the figures of a run that both pages of it show."""
    return {
        "review": review,
        "board": review.leaderboard,
        # Lazy, because the list keeps them as its page shows them.
        "board_plot": SimpleLazyObject(lambda: leaderboard_plot(review.leaderboard.standings, run)),
        "length_plot": SimpleLazyObject(lambda: length_plot(review.by_length, run)),
        "rank_plot": SimpleLazyObject(
            lambda: rank_plot(review.by_rank, run, is_held_out=review.is_held_out)
        ),
    }


@require_POST
@member_view(*REVIEWERS)
def measure(request: HttpRequest, member: Member) -> HttpResponse:
    """Start to measure a run, unless that is in progress."""
    run = named_run(request.POST.get("run", ""), member)
    start(run=run, user=signed_in(request), enqueue=tasks.measure_review.enqueue)
    page = "reviewing_figures" if request.POST.get("page") == "figures" else "reviewing"
    return redirect(f"{reverse(page, args=[member.project.slug])}?run={run.pk}")


@require_safe
@member_view(*REVIEWERS)
def detail(request: HttpRequest, member: Member, pk: int) -> HttpResponse:
    prompt = get_object_or_404(Prompt, pk=pk, project=member.project)
    run = chosen_run(request, member)
    context: dict[str, Any] = {
        "run": run,
        "prompt": prompt,
        "returned": just_returned(member, request.GET.get("returned", "")),
        "has_versions": member.project.model_versions.registered().exists(),
    }
    if run is not None:
        chosen = filter_form(request, member, run).chosen()
        view = chosen.query(run)
        context |= {
            "view": view,
            "back": f"{request.path}?{view}",
            "place": listing.place(run, chosen, pk),
        }
        context |= prompt_context(run, prompt)
        context["returnable"] = returnable_rankings(member, prompt)
    context.setdefault("prompt_messages", render_prompt(prompt.messages)[0])
    return render(request, "reviewing/detail.html", context)


def prompt_context(run: TrainingRun, prompt: Prompt) -> dict[str, Any]:
    """Return the responses of a prompt with their rewards and ranks, if the run scored it."""
    agreements = PromptAgreement.objects.filter(run=run, prompt=prompt).select_related("prompt")
    scored = review(run, list(agreements))
    if not scored:
        return {}
    [reviewed] = scored
    chat, texts = render_prompt(prompt.messages, [one.response.text for one in reviewed.responses])
    model = OutcomeModel.of_metrics(run.metrics)
    return {
        "prompt_messages": chat,
        "reviewed": reviewed,
        "rater_rows": rater_rows(reviewed),
        "pair_rows": pair_rows(reviewed, model),
        "has_ties": model.nu is not None,
        "cards": [
            {"letter": one.letter, "shown": one, "text": text, "words": count_words(one)}
            for one, text in zip(reviewed.responses, texts, strict=True)
        ],
    }


def count_words(shown: ReviewedResponse) -> int:
    return len(shown.response.text.split())


@require_safe
@member_view(*REVIEWERS)
def texts(request: HttpRequest, member: Member, pk: int) -> JsonResponse:
    """Return the texts of a prompt as they were written, those of its responses by letter."""
    prompt = get_object_or_404(Prompt, pk=pk, project=member.project)
    run = chosen_run(request, member)
    scored = Response.objects.filter(prompt=prompt, scores__run=run).order_by("pk")
    responses = {letter(i): response.text for i, response in enumerate(scored)}
    return JsonResponse(sources(prompt.messages, responses))
