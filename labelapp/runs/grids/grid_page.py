"""The contents of a grid's page: its progress, its verdict, and its runs."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labelapp.models import ACTIVE, Grid, Member, State, TrainingRun
from labelapp.models.jobs import is_number
from labelapp.runs.all_runs import run_rows
from labelapp.runs.caveats import few_prompts, gain
from labelapp.runs.comparison.comparing import MOST
from labelapp.runs.grids import grid_results, grid_verdict
from labelapp.runs.grids.grid_estimate import seconds_left
from labelapp.runs.grids.grid_plot import accuracy_by_time
from labelapp.runs.grids.grid_results import GridResults, Settings
from labelapp.runs.interval_plots import signed_span
from labelapp.runs.words import rounded, span
from labelapp.templatetags.figures import percent, points

STATES = (State.DONE, State.RUNNING, State.QUEUED, State.STOPPED, State.FAILED)


@dataclass(frozen=True)
class GridRun:
    """A run of the grid: the settings by which it differs, its figures, and its dot."""

    run: TrainingRun
    words: str
    plot: run_rows.Plot | None
    interval: str
    few_prompts: str
    is_apart: bool
    is_chosen: bool  # ticked for the comparison


@dataclass(frozen=True)
class SettingsRow:
    """Settings of the grid with the mean over their seeds and the lead over the reference."""

    settings: Settings
    accuracy: str
    seeds: str  # the range over several seeds
    lead: str
    lead_interval: str
    tone: str  # better, worse or ""


def progress_context(member: Member, grid: Grid) -> dict[str, Any]:
    """Return what the part of the page shows that changes while runs go on."""
    runs = list(grid.runs.select_related("created_by").order_by("pk"))
    states = Counter(run.state for run in runs)
    ended = sum(count for state, count in states.items() if state not in ACTIVE)
    is_active = ended < len(runs)
    found = grid_results.results(grid, runs, with_gains=not is_active)
    rows = run_rows_of(grid, runs, found)
    left = seconds_left(member.project, runs) if is_active else None
    judged = [(row.run, row.words) for row in rows if row.plot]
    return {
        "grid": grid,
        "lines": grid_results.varied_in_words(grid),
        "runs": runs,
        "states": [(State(state).label, states[state]) for state in STATES if states[state]],
        "ended": ended,
        "is_active": is_active,
        "stop_requested": is_active and all(run.stop_requested for run in runs if run.is_active),
        "time_left": "" if left is None else rounded(left),
        "unfinished": states[State.FAILED] + states[State.STOPPED],
        "verdict": None if is_active else grid_verdict.verdict(found),
        "settings_rows": [] if is_active else [settings_row(one) for one in found.known],
        "reference": found.reference,
        "has_seeds": found.has_seeds,
        "rows": rows,
        "ticks": run_rows.axis_ticks(run_rows.common_axis(runs)),
        "can_compare": len(judged) > 1,
        "most": MOST,
        "plot": accuracy_by_time(member.project, judged),
    }


def run_rows_of(grid: Grid, runs: Sequence[TrainingRun], results: GridResults) -> list[GridRun]:
    """Return the runs in the order in which they were started."""
    axis, names = run_rows.common_axis(runs), list(grid_results.varied(grid))
    chosen = to_compare(results)
    apart = {run.pk for run in results.apart}
    return [
        GridRun(
            run=run,
            words=grid_results.in_words(grid_results.values_of(run, names)),
            plot=run_rows.plot(run, None, axis) if grid_results.is_judged(run) else None,
            interval=interval(run.held_out),
            few_prompts=few_prompts(run.held_out) if grid_results.is_judged(run) else "",
            is_apart=run.pk in apart,
            is_chosen=run.pk in chosen,
        )
        for run in runs
    ]


def to_compare(results: GridResults) -> set[int]:
    """Return the runs that are ticked at first: the best of each of the best settings."""
    best = [
        max(one.judged, key=lambda run: grid_results.accuracy_of(run) or 0.0)
        for one in results.known
    ]
    reference = results.reference
    if reference is not None and reference.judged:
        best.sort(key=lambda run: run not in reference.judged)
    if len(best) < 2:
        best = [run for one in results.known for run in one.judged]
    return {run.pk for run in best[:MOST]}


def interval(held_out: Mapping[str, Any]) -> str:
    """Return the interval of an accuracy, or "" where there is none."""
    low, high = held_out.get("accuracy_low"), held_out.get("accuracy_high")
    return span(low, high) if is_number(low) and is_number(high) else ""


def settings_row(one: Settings) -> SettingsRow:
    """Return a row of the table by settings."""
    lead = one.gain
    low, high = (lead.low, lead.high) if lead else (None, None)
    tone = ""
    if lead is not None:
        tone = "better" if lead.is_above_zero else "worse" if lead.is_below_zero else ""
    found = one.accuracies
    return SettingsRow(
        settings=one,
        accuracy=percent(one.accuracy),
        seeds=f"{points(min(found))}–{points(max(found))}" if len(found) > 1 else "",
        lead=gain(lead.value) if lead else "",
        lead_interval="" if low is None or high is None else signed_span(low, high),
        tone=tone,
    )
