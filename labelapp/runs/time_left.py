"""Estimate how long a run will go on training."""

import json
from contextlib import suppress

from labelapp.models import State, TrainingRun
from labelapp.runs.curves import Values, values
from labelapp.runs.process import run_folder, tail
from training.runs.folder import METRIC_LINES

RECENT_BYTES = 16_384  # of the logged steps: the speed may have changed before them


def training_seconds_left(run: TrainingRun) -> float | None:
    """Return the seconds until the last step, by the speed of the latest ones, or None.

    It is not known before two steps are logged. Evaluating and scoring come after it.
    """
    if run.state != State.RUNNING or run.stage != "training" or not run.folder:
        return None
    ends = recent_ends(run)
    if len(ends) < 2:
        return None
    (first, begun), (last, now) = ends[0], ends[-1]
    if last <= first or now <= begun:
        return None
    return max(0.0, (now - begun) / (last - first) * (run.total - run.done))


def recent_ends(run: TrainingRun) -> Values:
    """Return the latest logged steps, each with the seconds of training up to its end."""
    text = tail(run_folder(run).path / METRIC_LINES, RECENT_BYTES)
    found = []
    for line in text.splitlines():
        with suppress(ValueError):  # the first and the last line may be parts of one
            found.append(json.loads(line))
    return values([line for line in found if isinstance(line, dict)], "seconds")
