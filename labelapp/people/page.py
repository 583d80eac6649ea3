"""The contents of a labeller's page."""

from collections.abc import Mapping
from typing import Any

from django.core import signing
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy

from labelapp.labelling.practice.marking import result_of
from labelapp.labelling.returning import can_rank, just_returned, returnable
from labelapp.models import Exclusion, Member, Prompt
from labelapp.people import over_time, own_rankings
from labelapp.people.forms import ExclusionForm, TextForm
from labelapp.quality.measurement import last_measurement
from labelapp.quality.results import Figure, LabellerFigures

SALT = "podium.people.asked"
ASKED_FOR = 60 * 60  # seconds in which asking for more rankings can be undone

FIGURES = (
    ("agreement", gettext_lazy("Agrees with others")),
    ("gold", gettext_lazy("Agrees with gold")),
    ("consistency", gettext_lazy("Agrees with themselves")),
    ("ties", gettext_lazy("Ties")),
    ("first", gettext_lazy("Prefers what came first")),
    ("longer", gettext_lazy("Prefers the longer")),
)


def page_context(viewer: Member, person: Member, query: Mapping[str, str]) -> dict[str, Any]:
    """Return what the page of `person` shows, in a fixed number of queries."""
    order = query.get("sort", "")
    order = order if order in own_rankings.ORDERS else ""
    rankings = own_rankings.listed(person, order).select_related("disagreement")
    page = Paginator(rankings.prefetch_related("placements"), own_rankings.PAGE_SIZE).get_page(
        query.get("page")
    )
    exclusions = list(person.exclusions.select_related("created_by", "ended_by"))
    held = next((one for one in exclusions if one.ended_at is None), None)
    measurement = last_measurement(viewer.project)
    measured = measurement.agreement.figures_of(person.pk) if measurement.agreement else None
    figures = measured or kept_figures(held)
    asked = read_asked(person, query.get("asked", ""))
    for ranking in page.object_list:
        ranking.member = person  # for is_left_out
    return {
        "member": viewer,
        "project": viewer.project,
        "person": person,
        "exclusion": held,
        "exclusions": exclusions,
        "figures": figures,
        "shares": shares(figures),
        "unchecked": unchecked(measured) if measured else [],
        "is_measured": measured is not None,
        "measured_at": measurement.at,
        "is_measuring": measurement.is_active,
        "is_kept": bool(figures and not measured),
        "plots": over_time.plots(over_time.by_week(person)),
        "page": page,
        "rows": own_rankings.rows(list(page.object_list)),
        "orders": own_rankings.ORDERS.items(),
        "order": order,
        "query": f"sort={order}&" if order else "",
        "controls": [own_rankings.gold_results(person), own_rankings.repeat_results(person)],
        "practice": result_of(person),
        "asked": asked,
        "can_return": viewer.manages and can_rank(person) and has_returnable(person),
        "returned": just_returned(viewer, query.get("returned", "")),
        "asked_token": query.get("asked", "") if asked else "",
        "notes": person.notes.select_related("author") if viewer.manages else [],
        "sent": person.messages.select_related("author") if viewer.manages else [],
        "exclusion_form": ExclusionForm(initial={"reason": alerts_of(figures)}),
        "note_form": TextForm(prefix="note"),
        "message_form": TextForm(prefix="message"),
    }


def alerts_of(figures: LabellerFigures | None) -> str:
    """Return the sentences of a labeller's alerts, which are a reason to leave them out."""
    return " ".join(alert.sentence for alert in figures.alerts) if figures else ""


def kept_figures(exclusion: Exclusion | None) -> LabellerFigures | None:
    """Return the figures with which a labeller was left out."""
    if exclusion is None or not exclusion.figures:
        return None
    try:
        return LabellerFigures.from_json(exclusion.figures)
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


def shares(figures: LabellerFigures | None) -> list[tuple[str, Figure]]:
    """Return the figures that have a value, with their names on the page."""
    found = [(str(name), getattr(figures, key)) for key, name in FIGURES] if figures else []
    return [(name, figure) for name, figure in found if figure.value is not None]


def unchecked(figures: LabellerFigures) -> list[tuple[str, int, int]]:
    """Return the figures with too few prompts for an alert: name, prompts so far and needed."""
    names = dict(FIGURES)
    return [
        (str(names[key]), getattr(figures, key).prompts, least)
        for key, least in figures.waiting().items()
    ]


def has_returnable(person: Member) -> bool:
    """Return True if the labeller ranked something here that can be returned."""
    return returnable(person.assignments.all()).exists()


# ---- asking again ----


def ranked_prompts(person: Member) -> QuerySet[Prompt]:
    """Return the prompts of which a labeller has a current ranking."""
    rankings = person.rankings.by_labellers()
    return person.project.prompts.filter(pk__in=rankings.values("prompt"))


def sign_asked(person: Member, number: int, prompts: list[int] | None) -> str:
    """Return a token with which asking can be undone; `prompts` None: all they have ranked."""
    return signing.dumps([person.pk, number, prompts], salt=SALT, compress=True)


def read_asked(person: Member, token: str) -> tuple[int, list[int] | None] | None:
    """Return the number of prompts that were asked for and which, or None for a bad token."""
    try:
        pk, number, prompts = signing.loads(token, salt=SALT, max_age=ASKED_FOR)
    except (signing.BadSignature, ValueError):
        return None
    return (number, prompts) if pk == person.pk else None
