"""The behaviour that background jobs of every kind share: start, heartbeat, stop, end, loss."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import call_command
from django.db import IntegrityError, transaction
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from labelapp.exporting import tasks as exporting
from labelapp.importing import tasks as importing
from labelapp.jobs import jobs, process
from labelapp.models import (
    AgreementMeasurement,
    Export,
    Job,
    Member,
    Project,
    State,
    TrainingRun,
    Upload,
)
from labelapp.quality import tasks as quality
from labelapp.quality.measurement import last_measurement
from labelapp.runs import lifecycle
from labelapp.runs import tasks as runs
from tests.conftest import AddPrompt, AddRanking, sign_in
from tests.labelapp.importing.uploads import line, lines, page_of, send
from tests.labelapp.jobs.test_queues import run_worker
from training.config import TrainConfig

KINDS: list[Any] = [
    (TrainingRun, runs.train),
    (Upload, importing.import_upload),
    (Export, exporting.write_export),
    (AgreementMeasurement, quality.measure_agreement),
]


@pytest.fixture(params=KINDS, ids=[kind.__name__ for kind, _ in KINDS])
def kind(request: pytest.FixtureRequest) -> Any:
    """Return each kind of job with its task."""
    return request.param


@pytest.fixture
def job(project: Project, kind: Any) -> Job:
    """Return a queued job of each kind."""
    model, task = kind
    made: Job = model(project=project)
    jobs.start(made, task.enqueue)
    return made


@pytest.fixture
def running(job: Job) -> Job:
    jobs.row(job).update(state=State.RUNNING, heartbeat_at=timezone.now())
    job.refresh_from_db()
    return job


def raising(error: BaseException) -> Callable[[], None]:
    def work() -> None:
        raise error

    return work


def test_a_job_and_its_task_are_stored_both_or_neither(project: Project, kind: Any) -> None:
    model, task = kind

    def fail(pk: int) -> None:
        task.enqueue(pk)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        jobs.start(model(project=project), fail)
    assert not model.objects.exists()
    assert not DBTaskResult.objects.exists()
    jobs.start(model(project=project), task.enqueue)
    assert DBTaskResult.objects.get().args_kwargs["args"] == [model.objects.get().pk]


@pytest.mark.parametrize(
    ("error", "state", "reason"),
    [
        (jobs.StoppedError(), State.STOPPED, "Stopped on request."),
        (jobs.FailedError("Too few prompts."), State.FAILED, "Too few prompts."),
        (
            OSError(28, "No space left on device"),
            State.FAILED,
            "The server cannot access its disk: No space left on device.",
        ),
    ],
)
def test_what_is_expected_to_go_wrong_becomes_a_state(
    job: Job, error: Exception, state: State, reason: str
) -> None:
    jobs.execute(job, raising(error))
    assert (job.state, job.reason, job.is_active) == (state, reason, False)
    assert job.finished_at is not None


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (KeyboardInterrupt(), "The task worker was stopped."),
        (SystemExit(), "The task worker was stopped."),
        (ZeroDivisionError("division by zero"), "Podium failed: division by zero"),
        (AssertionError(), "Podium failed: AssertionError"),
    ],
)
def test_nothing_leaves_a_job_that_looks_alive(job: Job, error: BaseException, reason: str) -> None:
    with pytest.raises(type(error)):
        jobs.execute(job, raising(error))
    assert (job.state, job.reason) == (State.FAILED, reason)


def test_a_job_is_executed_once(job: Job) -> None:
    jobs.execute(job, lambda: None)
    assert job.state == State.DONE
    assert job.started_at is not None
    jobs.execute(job, raising(AssertionError()))
    assert job.state == State.DONE


def test_a_waiting_job_stops_at_once(job: Job) -> None:
    jobs.request_stop(job)
    jobs.execute(job, raising(AssertionError()))  # the worker comes to it later
    job.refresh_from_db()
    assert (job.state, job.reason) == (State.STOPPED, "Stopped on request.")


def test_a_running_job_learns_from_its_heartbeat_that_it_is_to_stop(running: Job) -> None:
    assert jobs.beat(running, done=3)
    jobs.request_stop(running)
    assert not jobs.beat(running, done=4)
    running.refresh_from_db()
    assert (running.state, running.done, running.stop_requested) == (State.RUNNING, 4, True)


def test_a_job_that_is_to_stop_ends_its_process(running: Job) -> None:
    jobs.request_stop(running)
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], text=True)
    with pytest.raises(jobs.StoppedError):
        process.watch(sleeper, lambda: jobs.beat(running))
    assert sleeper.returncode is not None


def test_a_job_without_a_heartbeat_is_lost_and_can_be_asked_for_again(
    running: Job, kind: Any
) -> None:
    model, task = kind
    assert jobs.mark_lost(model.objects.all()) == []
    model.objects.update(heartbeat_at=timezone.now() - 2 * model.LOST_AFTER)
    assert jobs.mark_lost(model.objects.all()) == [running]
    running.refresh_from_db()
    assert (running.state, running.reason) == (State.FAILED, "The task worker stopped responding.")
    assert not jobs.finish(running, State.DONE)  # a worker that slept through its own end
    assert jobs.restart(running, task.enqueue)
    assert (running.state, running.reason, running.finished_at) == (State.QUEUED, "", None)
    assert DBTaskResult.objects.count() == 2


def test_of_two_clicks_on_a_job_that_is_over_one_queues_it(job: Job, kind: Any) -> None:
    model, task = kind
    jobs.execute(job, raising(jobs.FailedError("Too few prompts.")))
    second: Job = model.objects.get()
    assert jobs.restart(job, task.enqueue)
    assert not jobs.restart(second, task.enqueue)
    assert DBTaskResult.objects.count() == 2


@pytest.mark.parametrize(
    "fields",
    [
        {"state": "lost"},
        {"state": State.FAILED, "finished_at": timezone.now()},
        {"state": State.DONE},
        {"finished_at": timezone.now()},
    ],
)
def test_the_database_refuses_what_no_job_can_be(job: Job, fields: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        jobs.row(job).update(**fields)


def test_a_project_has_one_active_measurement(project: Project) -> None:
    jobs.start(AgreementMeasurement(project=project))
    with pytest.raises(IntegrityError):
        jobs.start(AgreementMeasurement(project=project))
    assert AgreementMeasurement.objects.active().count() == 1


@pytest.mark.django_db(transaction=True)  # the worker is a process of its own
def test_the_queues_own_clean_up_deletes_no_result(
    manager: Member, labeller: Member, add_prompt: AddPrompt, add_ranking: AddRanking
) -> None:
    for number in range(6):
        prompt = add_prompt(f"{number}?")
        add_ranking(prompt, labeller, (1, 2, 3, 4))
        add_ranking(prompt, manager, (2, 1, 3, 3))
    project, client = manager.project, sign_in(manager)
    call_command("measure_agreement", project="kitchen")  # stored without a task
    client.post("/projects/kitchen/agreement/measure/")
    upload = send(client, lines(line(1)))
    client.post(f"/projects/kitchen/uploads/{upload.pk}/", {"format": "jsonl", "import": "all"})
    client.post("/projects/kitchen/export/", {"format": "jsonl"})
    run = lifecycle.start(project=project, config=TrainConfig(), enqueue=runs.train.enqueue)
    jobs.request_stop(run)
    run_worker("*")
    assert DBTaskResult.objects.count() == 4

    def stored() -> list[Any]:
        rows = [list(model.objects.order_by("pk").values()) for model, _ in KINDS]
        return [*rows, last_measurement(project)]

    before = stored()
    ended = [[row["state"] for row in rows] for rows in before[:-1]]
    assert ended == [["stopped"], ["done"], ["done"], ["done", "done"]]

    call_command("prune_db_task_results", queue_name="*", min_age_days=0)

    assert DBTaskResult.objects.count() == 0
    assert stored() == before
    assert "80.0\u202f%" in client.get("/projects/kitchen/agreement/").content.decode()
    assert "Imported" in page_of(client, upload)
    exported = Export.objects.get()
    assert client.get(f"/projects/kitchen/export/{exported.pk}/file/").status_code == 200
    assert client.get(f"/projects/kitchen/runs/{run.pk}/").status_code == 200
