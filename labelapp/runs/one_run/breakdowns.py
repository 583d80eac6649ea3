"""The accuracy of a run by groups of the held-out comparisons, each group with its interval."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from labelapp.models import TrainingRun
from labelapp.models.jobs import as_object, is_number
from labelapp.rendering.charts import Chart
from labelapp.runs.caveats import few_prompts, gain
from labelapp.runs.interval_plots import Estimate, intervals_plot, share_text
from labelapp.templatetags.figures import percent, thousands

MOST_GROUPS = 20
WIDEST_GAP = 3  # training counts all wider ones together
LENGTHS = {
    "under_half": gettext_lazy("less than half as long"),
    "shorter": gettext_lazy("shorter"),
    "near_equal": gettext_lazy("near-equal"),
    "longer": gettext_lazy("longer"),
    "over_twice": gettext_lazy("more than twice as long"),
}


@dataclass(frozen=True)
class Breakdown:
    """One way to group the comparisons."""

    key: str  # of the entries of metrics.json
    title: str | Promise
    note: str | Promise
    column: str
    name: Callable[[Any], str]
    is_ordered: bool = True  # otherwise the largest group is first


def gap_name(gap: int) -> str:
    if gap >= WIDEST_GAP:
        return _("%(gap)s or more ranks apart") % {"gap": gap}
    return _("%(gap)s apart") % {"gap": gap}


def responses_name(number: int) -> str:
    return _("%(number)s responses") % {"number": number}


BREAKDOWNS = [
    Breakdown("by_gap", gettext_lazy("By distance in rank"), "", "gap", gap_name),
    Breakdown(
        "by_length",
        gettext_lazy("By length difference"),
        gettext_lazy(
            "Of the response that people prefer, beside the other one. A model that goes by length "
            "is good where it is longer, and bad where it is shorter."
        ),
        "length",
        lambda name: str(LENGTHS.get(name, name)),
    ),
    Breakdown(
        "by_responses", gettext_lazy("By responses per ranking"), "", "responses", responses_name
    ),
    Breakdown(
        "by_labeller",
        gettext_lazy("By labeller"),
        gettext_lazy("A low accuracy may be the labeller’s or the model’s."),
        "labeller",
        lambda name: name or _("no name"),
        is_ordered=False,
    ),
    Breakdown(
        "by_source",
        gettext_lazy("By source of the responses"),
        gettext_lazy("Each comparison counts for the sources of both responses."),
        "source",
        lambda name: name or _("unknown source"),
        is_ordered=False,
    ),
]


@dataclass(frozen=True)
class Groups:
    """The plot of one breakdown."""

    key: str
    title: str
    notes: list[str]
    plot: Chart


def breakdowns(run: TrainingRun) -> list[Groups]:
    """Return the plots of all breakdowns that the run's figures have; none of too few prompts."""
    if few_prompts(run.held_out):
        return []
    found = (groups(run.held_out.get(each.key), each) for each in BREAKDOWNS)
    shown = [each for each in found if each is not None]
    for each in shown:
        if each.key == "by_length" and (said := without_length(run.held_out)):
            each.notes.append(said)
    return shown


def without_length(held_out: Mapping[str, Any]) -> str:
    """Return what rewards without the part of length are worth, as a sentence, or ""."""
    found = as_object(held_out.get("length_partialled"))
    price, low, high = (found.get(name) for name in ("gain", "gain_low", "gain_high"))
    if not is_number(found.get("accuracy")) or not is_number(price):
        return ""
    share = share_text(found["accuracy"], found.get("accuracy_low"), found.get("accuracy_high"))
    words = {"share": share, "points": gain(price)}
    if not is_number(low) or not is_number(high):
        return (
            _(
                "The rewards without the part that length explains, which the reward service gives "
                "as well, order %(share)s as people did: %(points)s points."
            )
            % words
        )
    words |= {"low": gain(low), "high": gain(high)}
    return (
        _(
            "The rewards without the part that length explains, which the reward service gives as "
            "well, order %(share)s as people did: %(points)s points (%(low)s to %(high)s)."
        )
        % words
    )


def on_overview(run: TrainingRun) -> list[Groups]:
    """Return the plots by distance in rank and by labeller, as far as there are figures."""
    found = [each for each in breakdowns(run) if each.key in ("by_gap", "by_labeller")]
    for each in found:
        each.notes.append(_("The number after each name is that of its comparisons."))
    return found


def groups(entries: object, breakdown: Breakdown) -> Groups | None:
    """Return the plot of one breakdown from its entries of metrics.json, or None without any.

    Entries that this version cannot read count as none.
    """
    known = [entry for entry in entries if is_entry(entry)] if isinstance(entries, list) else []
    if not known:
        return None
    if not breakdown.is_ordered:
        known.sort(key=lambda entry: -entry["comparisons"])
    estimates = [group_estimate(entry, breakdown) for entry in known[:MOST_GROUPS]]
    notes = [str(breakdown.note)] if breakdown.note else []
    if len(known) > MOST_GROUPS:
        notes.append(
            _("The %(shown)s largest of %(all)s groups.")
            % {"shown": MOST_GROUPS, "all": thousands(len(known))}
        )
    plot = intervals_plot(
        f"plot-{breakdown.key}",
        _("Accuracy, in\u00a0%, with 95\u00a0% intervals"),
        estimates,
    )
    return Groups(breakdown.key, str(breakdown.title), notes, plot)


def is_entry(entry: object) -> bool:
    return (
        isinstance(entry, Mapping)
        and isinstance(entry.get("accuracy"), int | float)
        and isinstance(entry.get("comparisons"), int)
    )


def group_estimate(entry: Mapping[str, Any], breakdown: Breakdown) -> Estimate:
    """Return the accuracy of one group, with its number of comparisons in the name."""
    low, high = entry.get("accuracy_low"), entry.get("accuracy_high")
    name = f"{breakdown.name(entry.get(breakdown.column))} · {thousands(entry['comparisons'])}"
    return Estimate(name, "run", entry["accuracy"], low, high, percent(entry["accuracy"]))
