"""Estimate how long the runs of a grid will take, one after another."""

from collections.abc import Iterator, Sequence

from django.utils import timezone

from labelapp.models import Project, State, TrainingRun
from labelapp.runs.starting.data_counts import data_counts
from labelapp.runs.starting.estimate import Estimator
from training.aggregation import RankingFilter
from training.config import TrainConfig


def seconds_of(project: Project, configs: Sequence[TrainConfig]) -> Iterator[float | None]:
    """Yield the seconds that each run will probably take; None where nothing is known.

    The number of queries grows with the different rankings that are asked for, not with the runs.
    """
    estimator, counted = Estimator(project), {}
    for config in configs:
        rankings = RankingFilter.of(config.to_json())
        key = (config.aggregation, str(rankings))
        if key not in counted:
            counted[key] = data_counts(project, config.aggregation, rankings)
        yield estimator.estimate(config, counted[key]).seconds


def total_seconds(project: Project, configs: Sequence[TrainConfig]) -> float | None:
    """Return the seconds of all runs, one after another, or None where one is not known."""
    found = list(seconds_of(project, configs))
    known = [seconds for seconds in found if seconds is not None]
    return sum(known) if len(known) == len(found) else None


def seconds_left(project: Project, runs: Sequence[TrainingRun]) -> float | None:
    """Return the seconds until the active runs of a grid have ended, or None if not known.

    As many run side by side as do now.
    """
    active = [run for run in runs if run.is_active]
    try:
        configs = [TrainConfig.from_json(run.config) for run in active]
    except ValueError:  # settings of another version
        return None
    total, now = 0.0, timezone.now()
    for run, seconds in zip(active, seconds_of(project, configs), strict=True):
        if seconds is None:
            return None
        begun = run.started_at if run.state == State.RUNNING else None
        passed = max((now - begun).total_seconds(), run.seconds or 0.0) if begun else 0.0
        total += max(0.0, seconds - passed)
    side_by_side = sum(run.state == State.RUNNING for run in active)
    return total / max(1, side_by_side)
