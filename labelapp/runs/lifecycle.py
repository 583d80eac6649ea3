"""Start and resume training runs, and store their results in the database.

The training itself is a separate program (`python -m training.train`), whose crash harms nothing
else. It reads the database and writes a run folder, from which its progress is copied.
"""

import shutil
from functools import partial
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from labelapp.db.bulk import delete_with_references
from labelapp.db.retry import with_retries
from labelapp.db.writer import write
from labelapp.jobs import files, jobs
from labelapp.jobs.jobs import Enqueue
from labelapp.models import (
    Grid,
    ModelVersion,
    Placement,
    Project,
    State,
    TrainingRun,
    User,
    counting,
)
from labelapp.runs import scores, source_accuracy
from labelapp.runs.process import command, end_orphan, is_elsewhere, run_folder, watch
from training.config import TrainConfig
from training.rankings import UNRANKED
from training.runs.digest import digest_of
from training.runs.folder import RunFolder


class CannotDeleteError(Exception):
    """The run cannot be deleted now; the message says why and what to do."""


class CannotTrainError(Exception):
    """The project cannot be trained on now; the message says why and what to do."""


def reason_not_to_start(project: Project) -> str:
    """Return why no run can be started now, as a sentence, or "".

    Any number of runs may be active: they wait in the queue where workers are few.
    """
    if project.is_archived:
        return _("This project is archived. Restore it to train a model.")
    # A ranking has a comparison if its ranks differ, so that a response is below the first place.
    below = Placement.objects.filter(
        counting("ranking__"), rank__in=(2, UNRANKED), ranking__prompt__project=project
    )
    prompts = below.order_by().values_list("ranking__prompt", flat=True)
    # Each query stops at the first row; DISTINCT would read all of a large project.
    comparable = list(prompts[:1])
    if not comparable or not prompts.exclude(ranking__prompt=comparable[0])[:1]:
        return (
            _(
                "Training needs at least two prompts with responses of different rank, one to train"
                " on and one to hold out. So far there is one."
            )
            if comparable
            else _(
                "Training needs at least two prompts with responses of different rank, one to train"
                " on and one to hold out. So far there are none."
            )
        )
    return ""


def start(
    *,
    project: Project,
    config: TrainConfig,
    user: User | None = None,
    enqueue: Enqueue | None = None,
    form_key: UUID | None = None,
    grid: Grid | None = None,
) -> TrainingRun:
    """Queue a run, which may be one of a grid. Raises CannotTrainError if none can be started.

    A second call with the same `form_key` and settings returns the run of the first one.
    """
    jobs.mark_lost(project.runs.all())
    if reason := reason_not_to_start(project):
        raise CannotTrainError(reason)
    same = same_run(project, config, form_key)
    if same is not None:
        return same
    is_free = form_key and not TrainingRun.objects.filter(form_key=form_key).exists()
    run = TrainingRun(
        project=project,
        created_by=user,
        config=config.to_json(),
        form_key=form_key if is_free else None,
        grid=grid,
    )
    try:
        with transaction.atomic():
            jobs.start(run, enqueue)
            files.name_folder(run, files.RUNS)
    except IntegrityError as error:  # the same request was first
        same = same_run(project, config, form_key)
        if same is None:
            raise CannotTrainError(_("The run was not started. Try again.")) from error
        return same
    return run


def same_run(project: Project, config: TrainConfig, form_key: UUID | None) -> TrainingRun | None:
    """Return the run that the same form has started with the same settings, if there is one."""
    if form_key is None:
        return None
    run = project.runs.filter(form_key=form_key).first()
    return run if run is not None and run.config == config.to_json() else None


def can_resume(run: TrainingRun) -> bool:
    """Return True if a run that has ended left a checkpoint or a trained model to resume from.

    Of a run whose folder is on another machine only the worker there knows; it begins anew if
    there is neither.
    """
    if run.state not in (State.FAILED, State.STOPPED) or not run.folder:
        return False
    if is_elsewhere(run):
        return True
    folder = run_folder(run)
    return folder.is_unfinished or folder.is_trained


def resume(run: TrainingRun, enqueue: Enqueue | None = None) -> None:
    """Queue a failed or stopped run again, to resume from its checkpoint.

    Raises CannotTrainError if it cannot be resumed.
    """
    jobs.mark_lost(run.project.runs.all())
    run.refresh_from_db()
    if run.is_active:
        raise CannotTrainError(_("The run is already in progress."))
    if not can_resume(run):
        raise CannotTrainError(
            _("Run %(number)s left no checkpoint to resume from. Start a new run.")
            % {"number": run.pk}
        )
    if not jobs.restart(run, enqueue):  # another request was first
        raise CannotTrainError(_("The run is already in progress."))


def stop(run: TrainingRun) -> None:
    """Stop a queued run at once, a running one soon, and one that nobody watches with its process.

    A process ends with its watcher; one of an earlier version did not.
    """
    jobs.request_stop(run)
    jobs.mark_lost(jobs.row(run))
    run.refresh_from_db()
    if not run.is_active and run.folder:
        end_orphan(run)


def reason_not_to_delete(run: TrainingRun) -> str:
    """Return why a run cannot be deleted now, as a sentence that says what to do, or ""."""
    if run.is_active:
        return _("Run %(number)s is in progress. Stop it, then delete it.") % {"number": run.pk}
    version = ModelVersion.objects.filter(run=run).first()
    if version is not None:
        return _(
            "Run %(number)s is %(version)s on the page Models. Withdraw that version, then delete"
            " the run."
        ) % {"number": run.pk, "version": version.name}
    others = run.project.runs.exclude(pk=run.pk)
    model = str(run_folder(run).model) if run.folder else ""
    if model and (user := others.active().filter(config__model=model).first()):
        return _("Run %(number)s begins with the model of this one. Wait for it to finish.") % {
            "number": user.pk
        }
    if run == run.project.runs.scored().first():
        return _(
            "Review shows the scores of run %(number)s, because it is the newest finished one."
            " Train another model, then delete it."
        ) % {"number": run.pk}
    return ""


def delete(run: TrainingRun) -> None:
    """Delete a run that has ended, with its scores and its files. Raises CannotDeleteError."""
    with_retries(partial(delete_row, run))
    if not shares_tokens(run):
        delete_tokens(run)
    files.remove_folder(run)


def delete_row(run: TrainingRun) -> None:
    """Delete the row of a run, with the rows that refer to it. Raises CannotDeleteError."""
    with write():
        current = jobs.row(run).select_for_update().first()
        if current is None:
            raise CannotDeleteError(
                _("Run %(number)s has been deleted already.") % {"number": run.pk}
            )
        if reason := reason_not_to_delete(current):
            raise CannotDeleteError(reason)
        delete_with_references(jobs.row(run))


def shares_tokens(run: TrainingRun) -> bool:
    """Return True if another run of the project uses the cached tokens of this one, or may."""
    others = run.project.runs.exclude(pk=run.pk)
    key = (run_folder(run).read_manifest() or {}).get("tokens_key")
    return others.filter(manifest__tokens_key=key).exists() or others.active().exists()


def delete_files(run: TrainingRun) -> None:
    """Delete the folder of a run that has ended, and the tokens of its rankings."""
    if run.folder:
        delete_tokens(run)
    files.remove_folder(run)


def delete_tokens(run: TrainingRun) -> None:
    """Delete the cached tokens of a run's rankings, which hold the labellers' names."""
    folder = run_folder(run)
    key = (folder.read_manifest() or {}).get("tokens_key")
    if run.folder and isinstance(key, str) and key.isalnum():
        shutil.rmtree(folder.token_cache / key, ignore_errors=True)


def execute(run: TrainingRun, *, show: bool = False) -> None:
    """Train, score and store the results. On return the run is done, failed or stopped.

    With `show` the processes write to this terminal (a progress bar), otherwise to the run's log.
    """
    jobs.execute(run, lambda: train_and_score(run, show))


def train_and_score(run: TrainingRun, show: bool) -> None:
    folder = run_folder(run)
    times = [] if show else ["--log-times"]
    try:
        config = TrainConfig.from_json(run.config)
        if not folder.is_trained:
            watch(run, [*command("train", run), *config.to_arguments(), *times], show)
        watch(run, [*command("score", run), *times], show)
        with_retries(lambda: jobs.beat(run, stage="storing"))
        with jobs.beating(run):
            with_retries(lambda: scores.store(run, folder, show=show))
            source_accuracy.write_by_source(run, folder)
            write_digest(folder)
    finally:
        manifest, metrics = folder.read_manifest() or {}, folder.read_metrics() or {}
        with_retries(lambda: jobs.beat(run, manifest=manifest, metrics=metrics))


def write_digest(folder: RunFolder) -> None:
    """Write the digest of the model's files to metrics.json, as the reward service gives it."""
    metrics = folder.read_metrics()
    if metrics is not None and folder.model.is_dir():
        folder.write_metrics(metrics | {"model_digest": digest_of(folder.model)})
