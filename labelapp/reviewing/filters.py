"""Filters on the prompts of a run's review, which combine, and their form in an address."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date
from typing import Any

from django.db.models import (
    Aggregate,
    Count,
    Exists,
    F,
    FloatField,
    Max,
    Min,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
)
from django.db.models.functions import Coalesce, Length
from django.utils.http import urlencode

from labelapp.db.contents import rare_matches, read_through
from labelapp.db.json_lists import ListHas
from labelapp.models import (
    MAX_RESPONSES,
    Origin,
    Project,
    Prompt,
    PromptAgreement,
    Ranking,
    Rating,
    Response,
    TrainingRun,
    counting,
)
from labelapp.reviewing.differing import differing

NEARLY_EQUAL = 1.25
"""Longest response over the shortest: at most this is nearly equal, as in training's figures."""
VERY_DIFFERENT = 2.0
MOST_RESPONSES = 10
"""Number of responses that stands for larger ones, too."""
RANKS = range(1, MAX_RESPONSES + 1)
"""Human ranks that can be asked for."""
OF_RANKINGS = ("labeller", "differs", "rank", "flag", "note", "since", "until")
"""Filters whose conditions one ranking of the prompt fulfils together."""

Order = tuple[str, ...]
ORDERS: Mapping[str, Order] = {
    "margin": ("-margin", "-disagreement", "prompt_id"),
    "share": ("-disagreement", "-against", "prompt_id"),
    "people": ("-people_share", "prompt_id"),
    "agree": ("disagreement", "-comparisons", "prompt_id"),
    "newest": ("-prompt_id",),
    "oldest": ("prompt_id",),
}
"""Fields by which the prompts are sorted."""
INDEXED = ("disagreement", "margin")
"""First fields of an order that an index has after the run. None is ever negative."""


@dataclass(frozen=True)
class Filter:
    """Choose prompts to review; the defaults show all, by the share of disagreement."""

    q: str = ""  # in the prompt, its external id or a response
    source: str = ""  # of a response
    labeller: int = 0  # primary key of a member who ranked it
    differs: str = ""  # a rater from whom a ranking differs: see labelapp.reviewing.differing
    rank: int = 0  # of a response, in a ranking
    held_out: str = ""  # 1: held out, 0: trained on
    model: str = ""  # against or agrees
    people: str = ""  # unanimous or split
    k: int = 0  # number of responses; the largest choice stands for more, too
    length: str = ""  # near or wide
    flag: str = ""  # that somebody set on a response
    note: str = ""  # 1: with a note on a ranking
    since: date | None = None  # first day of a ranking
    until: date | None = None  # last day of a ranking
    sort: str = ""  # one of ORDERS

    @property
    def order(self) -> Order:
        return ORDERS[self.sort or "share"]

    @property
    def is_narrowed(self) -> bool:
        """Return True unless all prompts are shown."""
        return any(getattr(self, one.name) for one in fields(self) if one.name != "sort")

    def query(self, run: TrainingRun) -> str:
        """Return the query string that shows the same prompts in the same order."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        return urlencode({"run": run.pk} | {name: one for name, one in values.items() if one})


def default_sort(run: TrainingRun) -> str:
    """Return the order of a run's prompts where none is chosen: by margin, once it is measured.

    Until then all margins are 0, and a database would have to sort all prompts.
    """
    # The first of the index, because nothing says how many rows a condition would have to read.
    margins = PromptAgreement.objects.filter(run=run).order_by("-margin")
    return "margin" if margins.values_list("margin", flat=True).first() else "share"


def filtered(run: TrainingRun, chosen: Filter) -> QuerySet[PromptAgreement]:
    """Return the prompts of a run that a filter shows, in its order.

    Each condition looks up the rows of a prompt by an index, so that the first page of a long list
    is found without reading all of it. A range of the index of the order, which excludes nothing,
    keeps SQLite from reading all rows to sort them: it does not know what the conditions cost.
    """
    prompts: QuerySet[PromptAgreement] = PromptAgreement.objects.here(run)
    for condition in conditions(run, chosen):
        prompts = prompts.filter(condition)
    if chosen.k:
        prompts = prompts.alias(responses=of_responses(Count("pk")))
        several = "responses" if chosen.k < MOST_RESPONSES else "responses__gte"
        prompts = prompts.filter(**{several: chosen.k})
    if chosen.length:
        prompts = filter_lengths(prompts, chosen.length)
    share = Coalesce("prompt__disagreement__share", -1.0, output_field=FloatField())
    if chosen.sort == "people":
        prompts = prompts.annotate(people_share=share)
    order = chosen.order
    if (first := order[0].removeprefix("-")) in INDEXED:
        prompts = prompts.filter(**{f"{first}__gte": 0})
    return prompts.order_by(*order)


def filter_lengths(prompts: QuerySet[PromptAgreement], length: str) -> QuerySet[PromptAgreement]:
    """Return the prompts whose responses are nearly equally long, or very differently."""
    prompts = prompts.alias(
        longest=of_responses(Max(Length("text"))), shortest=of_responses(Min(Length("text")))
    )
    if length == "near":
        return prompts.filter(longest__lte=F("shortest") * NEARLY_EQUAL)
    return prompts.filter(longest__gt=F("shortest") * VERY_DIFFERENT)


def of_responses(figure: Aggregate) -> Subquery:
    """Return a figure of the responses to the prompt of the outer query."""
    responses = of_prompt(Response).order_by().values("prompt")
    return Subquery(responses.annotate(figure=figure).values("figure"))


def conditions(run: TrainingRun, chosen: Filter) -> list[Q]:
    """Return the conditions of a filter on the prompts of a run."""
    found = []
    if chosen.q:
        found.append(containing(run.project, chosen.q))
    if chosen.source:
        found.append(Q(Exists(of_prompt(Response, source=chosen.source))))
    if any(getattr(chosen, name) for name in OF_RANKINGS):
        found.append(Q(Exists(rankings(run, chosen))))
    if chosen.held_out:
        found.append(Q(held_out=chosen.held_out == "1"))
    if chosen.model:
        differs = chosen.model == "against"
        found.append(Q(against__gt=0) if differs else Q(against=0, comparisons__gt=0))
    if chosen.people:
        split = chosen.people == "split"
        share = "prompt__disagreement__share"
        found.append(Q(**{f"{share}__gt": 0}) if split else Q(**{share: 0}))
    return found


def of_prompt(model: type[Response] | type[Ranking], **values: object) -> QuerySet[Any, Any]:
    """Return the rows that belong to the prompt of the outer query and have these values."""
    return model._default_manager.filter(prompt=OuterRef("prompt"), **values)


def containing(project: Project, text: str) -> Q:
    """Return the prompts whose text, external id or responses contain a text."""
    rare = rare_matches(project, text, responses=True)
    if rare is not None:
        return Q(prompt__in=rare)
    prompts = Prompt.objects.filter(pk=OuterRef("prompt"))
    return Q(Exists(read_through(prompts, text, responses=True)))


def rankings(run: TrainingRun, chosen: Filter) -> QuerySet[Any, Any]:
    """Return the rankings of the prompt that fulfil each condition on rankings."""
    found = of_prompt(Ranking).filter(counting())
    if chosen.labeller:
        found = found.filter(member=chosen.labeller)
    if chosen.differs:
        found = differing(found, run, chosen.differs)
    if chosen.rank:  # by people themselves, as in the plot
        own = found.exclude(origin=Origin.ADJUDICATED)
        found = own.filter(placements__rank=chosen.rank)
    if chosen.flag:
        ratings = Rating.objects.filter(ListHas("flags", chosen.flag), ranking=OuterRef("pk"))
        found = found.filter(Exists(ratings))
    if chosen.note:
        found = found.exclude(note="")
    if chosen.since:
        found = found.filter(created_at__date__gte=chosen.since)
    if chosen.until:
        found = found.filter(created_at__date__lte=chosen.until)
    return found
