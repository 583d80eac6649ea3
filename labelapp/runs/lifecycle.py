"""Training runs: start one, watch its process, take its results into the database.

The training itself is a program of its own (`python -m training.train`). It reads the database and
writes a run folder; what it reports there is copied here. When it crashes or is killed, nothing
else goes with it.
"""

from django.db import IntegrityError, transaction

from labelapp.db.retry import patiently
from labelapp.jobs import jobs
from labelapp.jobs.files import name_folder
from labelapp.jobs.jobs import Enqueue
from labelapp.models import Placement, Project, State, TrainingRun, User
from labelapp.runs import scores
from labelapp.runs.process import command, run_folder, watch
from training.config import TrainConfig

IN_PROGRESS = "A run is in progress. Wait for it, or stop it."


class CannotTrainError(Exception):
    """The project cannot be trained on now; the message says why and what to do."""


def why_not(project: Project) -> str:
    """Why no run can be started now, in a sentence; empty when one can."""
    if project.runs.active().exists():
        return IN_PROGRESS
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


def start(
    *,
    project: Project,
    config: TrainConfig,
    user: User | None = None,
    enqueue: Enqueue | None = None,
) -> TrainingRun:
    """Queue a run. Raises CannotTrainError with the reason where none can be started."""
    jobs.mark_lost(project.runs.all())
    if reason := why_not(project):
        raise CannotTrainError(reason)
    run = TrainingRun(project=project, created_by=user, config=config.to_json())
    try:
        with transaction.atomic():
            jobs.start(run, enqueue)
            name_folder(run, "runs")
    except IntegrityError as error:  # of two clicks, the other came first
        raise CannotTrainError(IN_PROGRESS) from error
    return run


def can_resume(run: TrainingRun) -> bool:
    """Return whether a run that is over left a checkpoint or a trained model to resume from."""
    if run.state not in (State.FAILED, State.STOPPED) or not run.folder:
        return False
    folder = run_folder(run)
    return folder.is_unfinished or folder.is_trained


def resume(run: TrainingRun, enqueue: Enqueue | None = None) -> None:
    """Queue a run that failed or was stopped once more, to go on where it was.

    Raises CannotTrainError with the reason where it cannot.
    """
    jobs.mark_lost(run.project.runs.all())
    run.refresh_from_db()
    if run.is_active:
        raise CannotTrainError("The run is under way already.")
    if not can_resume(run):
        raise CannotTrainError(f"Run {run.pk} has nothing to go on from. Start a new one.")
    try:
        restarted = jobs.restart(run, enqueue)
    except IntegrityError as error:
        raise CannotTrainError(IN_PROGRESS) from error
    if not restarted:  # of two clicks, the other came first
        raise CannotTrainError("The run is under way already.")


def execute(run: TrainingRun, *, show: bool = False) -> None:
    """Train, score and take the results in; on return the run is done, failed or stopped.

    With `show` the processes write to this terminal (a progress bar), else to the run's log.
    """
    jobs.execute(run, lambda: train_and_score(run, show))


def train_and_score(run: TrainingRun, show: bool) -> None:
    folder = run_folder(run)
    try:
        config = TrainConfig.from_json(run.config)
        if not folder.is_trained:
            watch(run, [*command("train", run), *config.to_arguments()], show)
        watch(run, command("score", run), show)
        patiently(lambda: jobs.beat(run, stage="storing"))
        patiently(lambda: scores.store(run, folder))
    finally:
        manifest, metrics = folder.read_manifest() or {}, folder.read_metrics() or {}
        patiently(lambda: jobs.beat(run, manifest=manifest, metrics=metrics))
