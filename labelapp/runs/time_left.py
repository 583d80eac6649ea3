"""Estimate how long a run will go on training; evaluating and scoring come after it."""

import json
from contextlib import suppress

from labelapp.models import State, TrainingRun
from labelapp.runs.curves import Values, values
from labelapp.runs.process import run_folder, tail
from labelapp.runs.words import rounded
from training.runs.folder import METRIC_LINES

RECENT_BYTES = 16_384  # of the logged steps: the speed may have changed before them
FEWEST_STEPS = 3  # before the pace since the run began counts


def time_left(run: TrainingRun) -> str:
    """Return the time that the training of a run still takes, or "" where it is not known."""
    if run.state != State.RUNNING or run.stage != "training":
        return ""
    seconds = seconds_by_latest_steps(run)
    if seconds is None:  # its folder is on another machine, or has too few steps
        seconds = seconds_by_pace(run)
    return "" if seconds is None else rounded(seconds)


def seconds_by_latest_steps(run: TrainingRun) -> float | None:
    """Return the seconds until the last step by the speed of the latest logged ones, or None."""
    ends = recent_ends(run) if run.folder else []
    if len(ends) < 2:
        return None
    (first, begun), (last, now) = ends[0], ends[-1]
    if last <= first or now <= begun:
        return None
    return max(0.0, (now - begun) / (last - first) * (run.total - run.done))


def seconds_by_pace(run: TrainingRun) -> float | None:
    """Return the seconds until the last step by the pace of all steps so far, or None early.

    Steps and seconds are counted from the first step on, however often the run was resumed. The
    pace counts the reading of the rankings, so that the estimate falls as the run goes on.
    """
    if run.seconds is None or run.done < FEWEST_STEPS or run.total < run.done:
        return None
    return run.seconds * (run.total - run.done) / run.done


def recent_ends(run: TrainingRun) -> Values:
    """Return the latest logged steps, each with the seconds of training up to its end."""
    text = tail(run_folder(run).path / METRIC_LINES, RECENT_BYTES)
    found = []
    for line in text.splitlines():
        with suppress(ValueError):  # the first and the last line may be parts of one
            found.append(json.loads(line))
    return values([line for line in found if isinstance(line, dict)], "seconds")
