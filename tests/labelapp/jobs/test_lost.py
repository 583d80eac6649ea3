"""Jobs and tasks whose worker was killed: found by their locks, and settled."""

import json
import os
import signal
import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone
from django_tasks import TaskResultStatus
from django_tasks_db.models import DBTaskResult

from labelapp.db.locks import Holder, TakenError, WorkLock, machine, worker_lock
from labelapp.jobs import files, jobs, workers
from labelapp.jobs.environment import database_url
from labelapp.models import AgreementMeasurement, Job, Member, Project, Prompt, State, TrainingRun
from labelapp.runs import lifecycle
from labelapp.runs import process as run_process
from labelapp.runs import tasks as runs
from tests.conftest import AddPrompt, AddRanking, sign_in
from tests.labelapp.importing.uploads import line, lines, send
from tests.labelapp.jobs.test_jobs import KINDS
from tests.labelapp.jobs.test_queues import run_worker
from tests.training.test_child_process import is_running, wait_for
from training.config import TrainConfig

KILLED = "killed"  # the name of a worker


def leave_lock(lock: WorkLock, **details: Any) -> None:
    """Leave a lock as a process does that was killed."""
    lock.path.parent.mkdir(exist_ok=True)
    lock.path.write_text(json.dumps(machine() | details))


@pytest.fixture(params=KINDS, ids=[kind.__name__ for kind, _ in KINDS])
def job(request: pytest.FixtureRequest, project: Project) -> Job:
    """Return a queued job of each kind, whose task a worker took that was then killed."""
    model, task = request.param
    made: Job = model(project=project)
    jobs.start(made, task.enqueue)
    DBTaskResult.objects.get().claim(KILLED)
    leave_lock(worker_lock(KILLED), queues=["default", "training"])
    return made


def begin(job: Job, heartbeat: timedelta = timedelta()) -> None:
    """Have the job begun, with a heartbeat so long ago."""
    jobs.row(job).update(state=State.RUNNING, heartbeat_at=timezone.now() - heartbeat)


def task_state() -> str:
    return str(DBTaskResult.objects.get().status)


# Locks


def test_a_lock_tells_at_once_who_is_alive() -> None:
    lock = WorkLock("one")
    assert lock.holder() == Holder.UNKNOWN
    with lock.held(queues=["default"]):
        assert lock.holder() == Holder.ALIVE
        assert lock.details()["queues"] == ["default"]
    assert lock.holder() == Holder.UNKNOWN
    leave_lock(lock)
    assert lock.holder() == Holder.GONE
    lock.path.write_text(json.dumps({"host": "elsewhere", "boot": "another"}))
    assert lock.holder() == Holder.UNKNOWN
    with lock.held():  # nothing is in the way of the next one
        assert lock.holder() == Holder.ALIVE


def test_a_lock_has_one_holder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labelapp.db.locks.WAIT_SECONDS", 0)
    with WorkLock("one").held(), pytest.raises(TakenError), WorkLock("one").held():
        pass


# Jobs


@pytest.mark.parametrize("days", [-1, 0, 1])
def test_a_job_whose_lock_is_held_is_alive_whatever_the_clock_says(job: Job, days: int) -> None:
    begin(job, timedelta(days=days))
    with jobs.lock_of(job).held():
        workers.settle()
    job.refresh_from_db()
    assert job.state == State.RUNNING


@pytest.mark.parametrize("days", [-1, 0, 1])
def test_a_job_whose_lock_can_be_taken_is_settled_whatever_the_clock_says(
    job: Job, days: int
) -> None:
    begin(job, timedelta(days=days))
    leave_lock(jobs.lock_of(job))
    workers.settle()
    job.refresh_from_db()
    if job.RETRIED:
        assert (job.state, task_state()) == (State.QUEUED, TaskResultStatus.READY)
    else:
        assert (job.state, job.reason) == (State.FAILED, jobs.LOST)
        assert task_state() == TaskResultStatus.FAILED


def test_a_job_is_queued_again_once(job: Job) -> None:
    DBTaskResult.objects.update(worker_ids=["before", KILLED])
    begin(job)
    leave_lock(jobs.lock_of(job))
    workers.settle()
    job.refresh_from_db()
    assert (job.state, job.reason) == (State.FAILED, jobs.LOST)
    assert task_state() == TaskResultStatus.FAILED
    assert "WorkerLostError" in DBTaskResult.objects.get().traceback


def test_a_lost_job_that_was_asked_to_stop_is_stopped(job: Job) -> None:
    begin(job)
    leave_lock(jobs.lock_of(job))
    jobs.row(job).update(stop_requested=True)
    jobs.mark_lost(type(job)._default_manager.all())
    job.refresh_from_db()
    assert (job.state, job.reason) == (State.STOPPED, "Stopped on request.")


@pytest.mark.parametrize("days", [-1, 1])
def test_without_a_lock_a_heartbeat_of_the_past_or_the_future_is_none(
    project: Project, days: int
) -> None:
    measurement = AgreementMeasurement(project=project)
    jobs.start(measurement)
    begin(measurement)
    assert jobs.mark_lost(AgreementMeasurement.objects.all()) == []
    begin(measurement, timedelta(days=days))
    assert jobs.mark_lost(AgreementMeasurement.objects.all()) == [measurement]


def test_a_job_whose_worker_was_killed_before_it_began_is_queued_again(job: Job) -> None:
    workers.settle()
    job.refresh_from_db()
    assert (job.state, task_state()) == (State.QUEUED, TaskResultStatus.READY)


def test_a_worker_that_is_alive_keeps_its_task(job: Job) -> None:
    with worker_lock(KILLED).held():
        workers.settle()
    assert task_state() == TaskResultStatus.RUNNING


def test_the_tasks_of_a_killed_worker_end_and_its_lock_goes(job: Job) -> None:
    jobs.row(job).update(state=State.STOPPED, reason="Gone.", finished_at=timezone.now())
    workers.settle()
    assert task_state() == TaskResultStatus.FAILED
    assert DBTaskResult.objects.get().finished_at is not None
    assert not worker_lock(KILLED).path.exists()


# With real workers


def start_worker(queue: str) -> "subprocess.Popen[bytes]":
    environment = {
        "PATH": os.environ["PATH"],
        "DATA_DIR": str(settings.DATA_DIR),
        "DATABASE_URL": database_url(connection.settings_dict),
    }
    worker = [sys.executable, "manage.py", "db_worker", "--verbosity", "0", "--queue-name", queue]
    return subprocess.Popen(worker, cwd=settings.BASE_DIR, env=environment)


@pytest.mark.django_db(transaction=True)
def test_an_import_whose_worker_was_killed_is_imported_by_the_next_worker(manager: Member) -> None:
    client = sign_in(manager)
    upload = send(client, lines(*(line(number) for number in range(6000))))
    client.post(f"/projects/kitchen/uploads/{upload.pk}/", {"format": "jsonl", "import": "all"})
    worker = start_worker("default")
    folder = files.folder_of(upload)
    assert wait_for(lambda: folder.read_progress()[0] > 0)
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    upload.refresh_from_db()
    assert (upload.state, upload.project.prompts.count()) == (State.RUNNING, 0)
    run_worker("default")
    upload.refresh_from_db()
    assert (upload.state, Prompt.objects.count()) == (State.DONE, 6000)
    task = DBTaskResult.objects.get()
    assert (task.status, len(task.worker_ids)) == (TaskResultStatus.SUCCESSFUL, 2)


@pytest.fixture
def ranked(add_prompt: AddPrompt, add_ranking: AddRanking, labeller: Member) -> list[Prompt]:
    prompts = [add_prompt(f"Question {i}?") for i in range(4)]
    for prompt in prompts:
        add_ranking(prompt, labeller, [1, 2, 2, 3])
    return prompts


@pytest.mark.django_db(transaction=True)
def test_a_run_whose_worker_was_killed_ends_and_can_be_resumed(
    project: Project, ranked: list[Prompt]
) -> None:
    config = TrainConfig(
        backbone="transformer",
        layers=1,
        width=16,
        heads=2,
        vocabulary=300,
        epochs=10_000,
        device="cpu",
    )
    run = lifecycle.start(project=project, config=config, enqueue=runs.train.enqueue)
    worker = start_worker("training")
    assert wait_for(lambda: TrainingRun.objects.filter(stage="training").exists())
    training = run_process.run_folder(run).worker()
    assert training is not None
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    run_worker("training")
    run.refresh_from_db()
    assert (run.state, run.reason) == (State.FAILED, jobs.LOST)
    assert task_state() == TaskResultStatus.FAILED
    assert wait_for(lambda: not is_running(training))
    assert lifecycle.can_resume(run)


# The process of a run that nobody watches

ORPHAN = """
import sys, time
from training.runs.folder import RunFolder
folder = RunFolder(sys.argv[1])
folder.path.mkdir(parents=True, exist_ok=True)
folder.take()
time.sleep(600)
"""


def start_orphan(run: TrainingRun) -> "subprocess.Popen[bytes]":
    """Have a process at work in the folder of a run, as one does that outlived its watcher."""
    folder = run_process.run_folder(run)
    orphan = subprocess.Popen(
        [sys.executable, "-c", ORPHAN, str(folder.path)], cwd=settings.BASE_DIR
    )
    assert wait_for(lambda: folder.worker() == orphan.pid)
    return orphan


@pytest.fixture
def unwatched(project: Project, ranked: list[Prompt]) -> TrainingRun:
    run = lifecycle.start(project=project, config=TrainConfig())
    begin(run)
    leave_lock(jobs.lock_of(run))
    return run


def test_stop_ends_a_run_that_nobody_watches(unwatched: TrainingRun, manager: Member) -> None:
    orphan = start_orphan(unwatched)
    answer = sign_in(manager).post(f"/projects/kitchen/runs/{unwatched.pk}/stop/")
    assert answer.status_code == 302
    unwatched.refresh_from_db()
    assert (unwatched.state, unwatched.reason) == (State.STOPPED, "Stopped on request.")
    assert orphan.wait(120) == -signal.SIGTERM
    assert "in progress" not in (
        sign_in(manager).get("/projects/kitchen/runs/new/").content.decode()
    )


def test_a_watcher_ends_what_is_still_at_work_in_its_folder(unwatched: TrainingRun) -> None:
    orphan = start_orphan(unwatched)
    program = [sys.executable, "-c", "import sys; sys.exit(3)"]
    with pytest.raises(jobs.FailedError, match="exit status 3"):
        run_process.watch(unwatched, program, show=False)
    assert orphan.wait(120) == -signal.SIGTERM


def test_a_process_that_is_none_of_the_run_is_left_alone(unwatched: TrainingRun) -> None:
    folder = run_process.run_folder(unwatched)
    folder.path.mkdir(parents=True)
    folder.take()  # by this process, whose command line does not name the folder
    try:
        assert not run_process.end_orphan(unwatched)
    finally:
        folder.leave()
