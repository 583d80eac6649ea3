"""Start, stop, resume and delete a grid with its runs."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from labelapp.jobs import jobs
from labelapp.jobs.jobs import Enqueue
from labelapp.models import Grid, Project, State, TrainingRun, User
from labelapp.runs import lifecycle
from labelapp.runs.lifecycle import CannotTrainError
from training.config import TrainConfig


def start(
    *,
    project: Project,
    configs: Sequence[TrainConfig],
    varied: Mapping[str, Sequence[Any]],
    user: User | None = None,
    enqueue: Enqueue | None = None,
    form_key: UUID | None = None,
) -> Grid:
    """Queue a run for each configuration. Raises CannotTrainError if none can be started.

    A second call with the same `form_key` and settings returns the grid of the first one.
    """
    if reason := lifecycle.reason_not_to_start(project):
        raise CannotTrainError(reason)
    if (same := same_grid(project, configs, form_key)) is not None:
        return same
    is_free = form_key and not Grid.objects.filter(form_key=form_key).exists()
    grid = Grid(
        project=project,
        created_by=user,
        varied=dict(varied),
        form_key=form_key if is_free else None,
    )
    try:
        with transaction.atomic():
            grid.save(force_insert=True)
            for config in configs:
                lifecycle.start(
                    project=project, config=config, user=user, enqueue=enqueue, grid=grid
                )
    except IntegrityError as error:  # the same request was first
        same = same_grid(project, configs, form_key)
        if same is None:
            raise CannotTrainError(_("The grid was not started. Try again.")) from error
        return same
    return grid


def same_grid(
    project: Project, configs: Sequence[TrainConfig], form_key: UUID | None
) -> Grid | None:
    """Return the grid that the same form has started with the same settings, if there is one."""
    grid = project.grids.filter(form_key=form_key).first() if form_key else None
    if grid is None:
        return None
    started = grid.runs.order_by("pk").values_list("config", flat=True)
    return grid if list(started) == [config.to_json() for config in configs] else None


def stop(grid: Grid) -> None:
    """Stop the runs that wait, and ask those in progress to save and stop.

    The last one of the queue is stopped first, so that none starts meanwhile.
    """
    for run in grid.runs.active().order_by("-pk"):
        lifecycle.stop(run)


def resume(grid: Grid, enqueue: Enqueue) -> int:
    """Queue the runs that failed or were stopped, and return how many.

    Each goes on from its checkpoint where it has one, and begins anew where it has none.
    """
    jobs.mark_lost(grid.runs.all())
    unfinished = grid.runs.filter(state__in=[State.FAILED, State.STOPPED]).order_by("pk")
    return sum(jobs.restart(run, enqueue) for run in unfinished)


def kept_runs(grid: Grid) -> list[tuple[TrainingRun, str]]:
    """Return the runs that cannot be deleted with the grid, each with the reason."""
    found = [(run, lifecycle.reason_not_to_delete(run)) for run in grid.runs.order_by("pk")]
    return [(run, reason) for run, reason in found if reason]


def reason_not_to_delete(grid: Grid) -> str:
    """Return why a grid cannot be deleted now, as a sentence that says what to do, or ""."""
    if grid.runs.active().exists():
        return _("The grid is in progress. Stop it, then delete it.")
    return ""


def delete(grid: Grid) -> None:
    """Delete a grid and its runs with their files, but for those that are needed elsewhere.

    Raises CannotDeleteError while a run is active.
    """
    if reason := reason_not_to_delete(grid):
        raise lifecycle.CannotDeleteError(reason)
    kept = {run.pk for run, _reason in kept_runs(grid)}
    for run in grid.runs.exclude(pk__in=kept).order_by("pk"):
        lifecycle.delete(run)
    grid.delete()
