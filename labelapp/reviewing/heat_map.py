"""The agreement of raters as a table with a row and a column for each."""

from collections.abc import Mapping

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from labelapp.models import TrainingRun
from labelapp.rendering.heat_map import HeatMap, HeatRow
from labelapp.reviewing.differing import key_of_rater
from labelapp.reviewing.filters import Filter
from labelapp.reviewing.results import Rater, Review

NAMES = {
    "adjudicated": gettext_lazy("Adjudicated"),
    "longer": gettext_lazy("Longer wins"),
    "words": gettext_lazy("More words win"),
}


def heat_map(review: Review, run: TrainingRun, members: Mapping[int, str]) -> HeatMap:
    """Return the table; `members` has the names of people by primary key."""
    found = {(one.first, one.second): one for one in review.agreements}
    differ = [{one.first, one.second} for one in review.agreements if one.agreed < one.comparisons]
    places = range(len(review.raters))
    runs = [rater.run for rater in review.raters if rater.run is not None]
    pages = {
        Rater("run", run=pk): reverse("run", args=[run.project.slug, pk])
        for pk in run.project.runs.filter(pk__in=runs).values_list("pk", flat=True)
    } | {
        Rater("person", member): reverse("person", args=[run.project.slug, member])
        for member in members
    }
    return HeatMap(
        [
            HeatRow(
                name=rater_name(rater, run, members),
                kind=rater.kind,
                url=pages.get(rater, ""),
                cells=[found.get((min(row, column), max(row, column))) for column in places],
                differing=[
                    differing_url(rater, other, review, run) if {row, column} in differ else ""
                    for column, other in enumerate(review.raters)
                ],
            )
            for row, rater in enumerate(review.raters)
        ]
    )


def differing_url(one: Rater, other: Rater, review: Review, run: TrainingRun) -> str:
    """Return the address of the prompts on which a person differs from another rater, or ""."""
    person, rater = (one, other) if one.member is not None else (other, one)
    if person.member is None or not (differs := key_of_rater(rater)):
        return ""
    held_out = "1" if rater.kind == "model" and review.is_held_out else ""
    chosen = Filter(labeller=person.member, differs=differs, held_out=held_out)
    return f"{reverse('reviewing', args=[run.project.slug])}?{chosen.query(run)}"


def rater_name(rater: Rater, run: TrainingRun, members: Mapping[int, str]) -> str:
    if rater.member is not None:
        return members.get(rater.member, _("removed"))
    if rater.kind in NAMES:
        return str(NAMES[rater.kind])
    return _("Model of run %(number)s") % {"number": rater.run or run.pk}
