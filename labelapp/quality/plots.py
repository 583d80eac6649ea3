"""The plots of agreement: each labeller's figures on common axes, and who agrees with whom."""

from collections.abc import Mapping, Sequence

from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from labelapp.models import Member, Project
from labelapp.quality.results import Figure, LabellerAgreement, LabellerFigures
from labelapp.rendering.charts import Chart, Reference
from labelapp.rendering.heat_map import HeatMap, HeatRow
from labelapp.runs.interval_plots import Estimate, intervals_plot
from labelapp.templatetags.figures import percent

MOST = 20  # labellers in a plot or in the heat map; the table has all

# The figures of a labeller: their attribute, their title in a plot, and the level to compare with.
FIGURES: Sequence[tuple[str, str | Promise, float | None]] = (
    ("agreement", _("Agrees with others, in %"), 0.5),
    ("gold", _("Agrees with gold, in %"), 0.5),
    ("consistency", _("Agrees with themselves, in %"), 0.5),
    ("ties", _("Ties, in % of all pairs"), None),
    ("first", _("Prefers what came first, in %"), 0.5),
    ("longer", _("Prefers the longer, in %"), None),
)

Members = Mapping[int, Member]


def shown_figures(people: Sequence[LabellerFigures]) -> list[str]:
    """Return the figures that some labeller has."""
    return [
        name
        for name, *_rest in FIGURES
        if any(getattr(one, name).value is not None for one in people if one.member)
    ]


def labeller_plots(
    people: Sequence[LabellerFigures], members: Members, project: Project
) -> list[Chart]:
    """Return a plot of each figure that some labeller has, the lowest value first."""
    plots = []
    for name, title, level in FIGURES:
        estimates = [
            estimate(one, getattr(one, name), members, project) for one in shown_people(people)
        ]
        known = [one for one in estimates if one is not None]
        if any(one.kind != "baseline" for one in known):
            known.sort(key=lambda one: (one.kind == "baseline", one.value))
            reference = None if level is None else Reference(gettext("chance level"), level)
            plots.append(intervals_plot(f"plot-{name}", str(title), known, reference=reference))
    return plots


def shown_people(people: Sequence[LabellerFigures]) -> list[LabellerFigures]:
    """Return the labellers in a plot, with all together: those who stand out, then most rankings.

    `people` are ordered by rankings.
    """
    single = sorted((one for one in people if one.member), key=lambda one: not one.alerts)
    return single[:MOST] + [one for one in people if one.member is None]


def estimate(
    person: LabellerFigures, figure: Figure, members: Members, project: Project
) -> Estimate | None:
    if figure.value is None:
        return None
    kind = "baseline" if person.member is None else "people" if person.alerts else "run"
    return Estimate(
        name=name_of(person.member, members),
        kind=kind,
        value=figure.value,
        low=figure.low,
        high=figure.high,
        text=percent(figure.value),
        url=url_of(person.member, members, project),
    )


def name_of(member: int | None, members: Members) -> str:
    if member is None:
        return gettext("All together")
    return members[member].name if member in members else gettext("Former member")


def url_of(member: int | None, members: Members, project: Project) -> str:
    return reverse("person", args=[project.slug, member]) if member in members else ""


def heat_map(agreement: LabellerAgreement, members: Members, project: Project) -> HeatMap | None:
    """Return who agrees with whom, or None where fewer than three labellers can be compared."""
    pairs = {frozenset((one.first, one.second)): one for one in agreement.pairs}
    compared = {member for pair in pairs for member in pair}
    shown = [one.member for one in agreement.people if one.member in compared][:MOST]
    if len(shown) < 3:
        return None
    return HeatMap(
        [
            HeatRow(
                name=name_of(row, members),
                kind="people",
                cells=[pairs.get(frozenset((row, column))) for column in shown],
                url=url_of(row, members, project),
            )
            for row in shown
        ]
    )
