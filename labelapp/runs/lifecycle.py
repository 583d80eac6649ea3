"""Training runs: start one, watch its process, take its results into the database.

The training itself is a program of its own (`python -m training.train`). It reads the database and
writes a run folder; what it reports there is copied here. When it crashes or is killed, nothing
else goes with it.
"""

import secrets
from datetime import timedelta

from django.db import IntegrityError, transaction
from django.utils import timezone

from labelapp.db.retry import patiently
from labelapp.models import Placement, Project, State, TrainingRun, User
from labelapp.runs import scores
from labelapp.runs.process import (
    RunFailedError,
    RunStoppedError,
    command,
    report,
    run_folder,
    watch,
)
from training.config import TrainConfig

LOST_AFTER = timedelta(minutes=2)  # without a heartbeat


class CannotTrainError(Exception):
    """The project cannot be trained on now; the message says why and what to do."""


def why_not(project: Project) -> str:
    """Why no run can be started now, in a sentence; empty when one can."""
    if project.runs.active().exists():
        return "A run is in progress. Wait for it, or stop it."
    # Two ranks that differ make a comparison, so somebody stands in second place.
    prompts = Placement.objects.filter(
        rank=2, ranking__is_current=True, ranking__prompt__project=project
    )
    comparable = len(prompts.values_list("ranking__prompt_id").distinct()[:2])
    if comparable < 2:
        return (
            "Training needs at least two prompts whose responses were ranked apart, one to learn "
            f"from and one to hold out; there {('are none', 'is one')[comparable]} yet."
        )
    return ""


def start(*, project: Project, config: TrainConfig, user: User | None = None) -> TrainingRun:
    """Queue a run. Raises CannotTrainError with the reason where none can be started."""
    mark_lost(project)
    if reason := why_not(project):
        raise CannotTrainError(reason)
    try:
        with transaction.atomic():
            run = TrainingRun.objects.create(
                project=project, started_by=user, config=config.to_json()
            )
            # Not the number alone: after a restored backup it may be given a second time.
            run.folder = f"runs/{run.pk}-{secrets.token_hex(4)}"
            run.save(update_fields=["folder"])
    except IntegrityError as error:  # of two clicks, the other came first
        raise CannotTrainError("A run is in progress. Wait for it, or stop it.") from error
    return run


def can_go_on(run: TrainingRun) -> bool:
    """Whether a run that is over left something to go on with: a checkpoint, or a trained model."""
    if run.state not in (State.FAILED, State.STOPPED) or not run.folder:
        return False
    folder = run_folder(run)
    return folder.is_unfinished or folder.is_trained


def go_on(run: TrainingRun) -> None:
    """Queue a run that failed or was stopped once more, to go on where it was.

    Raises CannotTrainError with the reason where it cannot.
    """
    mark_lost(run.project)
    run.refresh_from_db()
    if run.is_active:
        raise CannotTrainError("The run is under way already.")
    if not can_go_on(run):
        raise CannotTrainError(f"Run {run.pk} has nothing to go on from. Start a new one.")
    over = TrainingRun.objects.filter(pk=run.pk, state=run.state)
    try:
        with transaction.atomic():
            queued = over.update(
                state=State.QUEUED,
                finished_at=None,
                heartbeat_at=None,
                stop_requested=False,
                reason="",
            )
    except IntegrityError as error:
        raise CannotTrainError("A run is in progress. Wait for it, or stop it.") from error
    if not queued:  # of two clicks, the other came first
        raise CannotTrainError("The run is under way already.")
    run.refresh_from_db()


def request_stop(run: TrainingRun) -> None:
    """Ask a run to stop: at once if it still waits, else its watcher ends the process."""
    waiting = TrainingRun.objects.filter(pk=run.pk, state=State.QUEUED)
    if not waiting.update(state=State.STOPPED, finished_at=timezone.now()):
        TrainingRun.objects.filter(pk=run.pk, state=State.RUNNING).update(stop_requested=True)


def mark_lost(project: Project) -> None:
    """Fail the project's runs whose watcher has been silent: it was killed, or its machine was."""
    lost = TrainingRun.objects.filter(
        project=project, state=State.RUNNING, heartbeat_at__lt=timezone.now() - LOST_AFTER
    )
    if lost.exists():  # pages ask every two seconds: an update would take SQLite's lock each time
        lost.update(
            state=State.FAILED,
            finished_at=timezone.now(),
            reason="The task worker that watched this run has gone.",
        )


def execute(run: TrainingRun, *, show: bool = False) -> None:
    """Train, score and take the results in; on return the run is done, failed or stopped.

    With `show` the processes write to this terminal (a progress bar), else to the run's log.
    A run that is not queued any more is left alone.
    """
    queued = TrainingRun.objects.filter(pk=run.pk, state=State.QUEUED)
    now = timezone.now()
    if not queued.update(state=State.RUNNING, started_at=now, heartbeat_at=now):
        return
    try:
        config = TrainConfig.from_json(run.config)
        if not run_folder(run).is_trained:
            watch(run, [*command("train", run), *config.to_arguments()], show)
        watch(run, command("score", run), show)
        patiently(lambda: report(run, stage="storing"))
        patiently(lambda: scores.store(run, run_folder(run)))
    except RunStoppedError:
        finish(run, State.STOPPED, "Stopped on request.")
    except (RunFailedError, OSError) as error:
        finish(run, State.FAILED, str(error))
    except (KeyboardInterrupt, SystemExit):
        finish(run, State.FAILED, "The task worker was stopped.")
        raise
    except Exception as error:  # a fault of ours must not leave a run that looks alive
        finish(run, State.FAILED, f"Podium failed: {error}")
        raise
    else:
        finish(run, State.DONE)


def finish(run: TrainingRun, state: State, reason: str = "") -> None:
    """End a run that is still running; one that was ended by others stays as it is."""
    folder = run_folder(run)
    ours = TrainingRun.objects.filter(pk=run.pk, state=State.RUNNING)
    patiently(
        lambda: ours.update(
            state=state,
            reason=reason,
            finished_at=timezone.now(),
            manifest=folder.read_manifest() or {},
            metrics=folder.read_metrics() or {},
        )
    )
    run.refresh_from_db()
