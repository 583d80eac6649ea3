"""The rows of the list of runs: the figures of a page of runs, in words and as dots on one axis."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from labelapp.models import TrainingRun
from labelapp.models.jobs import is_number
from labelapp.runs import changed_settings, choice, leads
from labelapp.runs.aliases import Aliases
from labelapp.runs.all_runs.listing import Entry, Selection
from labelapp.runs.caveats import few_prompts, gain
from labelapp.runs.interval_plots import (
    Axis,
    Dot,
    Estimate,
    axis_of,
    dot,
    estimate,
    people_of,
    signed_span,
)
from labelapp.runs.time_left import time_left
from labelapp.runs.words import span
from labelapp.templatetags.figures import thousands

SETTINGS_SHOWN = 3
FULL_AXIS = Axis(0.5, 1.0, 0.1)  # where nothing is judged


@dataclass(frozen=True)
class Plot:
    """A run's accuracy on the common axis, with the marks of what it is judged beside."""

    dot: Dot
    baseline: float | None  # position
    people: Dot | None


@dataclass(frozen=True)
class RunRow:
    """A run as the list shows it."""

    run: TrainingRun
    aliases: list[str]
    letter: str
    model_name: str
    settings: list[str]
    more_settings: list[str]
    learned: list[str]
    few_prompts: str
    interval: str
    judged_on: str
    plot: Plot | None
    lead: leads.Lead | None
    lead_text: str
    lead_interval: str
    verdict: leads.ShortVerdict | None
    time_left: str


@dataclass(frozen=True)
class Section:
    """Rows of the list that may be compared with one another, under a heading if there are more."""

    heading: str
    rows: list[RunRow]


def sections(
    selection: Selection,
    entries: Sequence[Entry],
    runs: Sequence[TrainingRun],
    aliases: Aliases,
    axis: Axis,
) -> list[Section]:
    """Return the rows of a page; `entries` and `runs` are the same runs in the same order."""
    rows = [
        row(run, aliases.get(run.pk, []), entry.letter, axis)
        for run, entry in zip(runs, entries, strict=True)
    ]
    headings = [
        heading(entry) if selection.column.compares and any(one.letter for one in entries) else ""
        for entry in entries
    ]
    by_heading = groupby(zip(headings, rows, strict=True), key=lambda pair: pair[0])
    return [Section(title, [found for _, found in of_title]) for title, of_title in by_heading]


def heading(entry: Entry) -> str:
    """Return what the runs of a section were judged on."""
    if not entry.is_judged:
        return _("Pinned: not judged") if entry.is_pinned else _("Not judged")
    words = {"letter": entry.letter}
    if isinstance(entry.comparisons, int) and isinstance(entry.prompts, int):
        words |= {
            "comparisons": thousands(entry.comparisons),
            "prompts": thousands(entry.prompts),
        }
        found = (
            _(
                "Pinned: judged on %(letter)s, %(comparisons)s comparisons of %(prompts)s "
                "held-out prompts"
            )
            if entry.is_pinned
            else _(
                "Judged on %(letter)s, %(comparisons)s comparisons of %(prompts)s held-out prompts"
            )
        )
    else:
        found = _("Pinned: judged on %(letter)s") if entry.is_pinned else _("Judged on %(letter)s")
    return found % words


def row(run: TrainingRun, aliases: list[str], letter: str, axis: Axis) -> RunRow:
    """Return a run with its figures in words, and on the axis."""
    changed = changed_settings.changed_settings(run)
    held_out = run.held_out
    lead = leads.best_baseline(held_out.get("baselines"))
    low, high = held_out.get("accuracy_low"), held_out.get("accuracy_high")
    return RunRow(
        run=run,
        aliases=aliases,
        letter=letter,
        model_name=choice.model_name(run),
        settings=changed[:SETTINGS_SHOWN],
        more_settings=changed[SETTINGS_SHOWN:],
        learned=learned(run.manifest),
        few_prompts=few_prompts(held_out),
        interval=span(low, high) if is_number(low) and is_number(high) else "",
        judged_on=judged_on(held_out),
        plot=plot(run, lead, axis),
        lead=lead,
        lead_text=gain(lead.gain.value) if lead else "",
        lead_interval=interval(lead),
        verdict=leads.verdict(held_out),
        time_left=time_left(run),
    )


def judged_on(held_out: Mapping[str, Any]) -> str:
    """Return how many held-out comparisons a run was judged on, or "" where it is not known."""
    comparisons = held_out.get("comparisons")
    if not isinstance(comparisons, int):
        return ""
    number = {"number": thousands(comparisons)}
    return ngettext("%(number)s comparison", "%(number)s comparisons", comparisons) % number


def learned(manifest: Mapping[str, Any]) -> list[str]:
    """Return how many rankings a run learned from, and of how many prompts, as far as is known."""
    rankings, prompts = manifest.get("train_rankings"), manifest.get("train_prompts")
    found = []
    if isinstance(rankings, int):
        number = {"number": thousands(rankings)}
        found.append(ngettext("%(number)s ranking", "%(number)s rankings", rankings) % number)
    if isinstance(prompts, int):
        number = {"number": thousands(prompts)}
        found.append(ngettext("of %(number)s prompt", "of %(number)s prompts", prompts) % number)
    return found


def interval(lead: leads.Lead | None) -> str:
    """Return the interval of a lead in points, or "" where there is none."""
    if lead is None or lead.gain.low is None or lead.gain.high is None:
        return ""
    return signed_span(lead.gain.low, lead.gain.high)


def plot(run: TrainingRun, lead: leads.Lead | None, axis: Axis) -> Plot | None:
    """Return the accuracy of a run with its marks, or None without an accuracy."""
    found = estimate(run.title, "run", run.held_out, "accuracy")
    if found is None:
        return None
    people = people_of(run.metrics)
    return Plot(
        dot=dot(axis, found),
        baseline=axis.place(lead.accuracy) if lead else None,
        people=dot(axis, people) if people else None,
    )


def common_axis(runs: Sequence[TrainingRun]) -> Axis:
    """Return the axis of the accuracies of runs and of what they are judged beside."""
    found: list[Estimate] = []
    for run in runs:
        if (accuracy := estimate("", "run", run.held_out, "accuracy")) is not None:
            found.append(accuracy)
            if (people := people_of(run.metrics)) is not None:
                found.append(people)
            if lead := leads.best_baseline(run.held_out.get("baselines")):
                found.append(Estimate("", "baseline", lead.accuracy, None, None, ""))
    return axis_of(found) if found else FULL_AXIS


def axis_ticks(axis: Axis) -> list[tuple[float, str]]:
    """Return the positions and labels of the ticks, in percent."""
    return axis.ticks(lambda share: f"{100 * share:.0f}")
