"""Workers on other machines: the shared folder of the runs, and a folder that cannot be seen."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings

from labelapp.db.locks import queues_without_worker, worker_lock
from labelapp.jobs import files, jobs
from labelapp.models import Member, Project, State, TrainingRun
from labelapp.runs import lifecycle, process
from tests.conftest import sign_in
from tests.labelapp.runs.pages import text_of
from tests.waiting import wait_until
from training.serving.address import run_folder

pytestmark = pytest.mark.django_db

ELSEWHERE = "The folder of this run is on another machine."


@pytest.fixture
def shared(settings: Settings, tmp_path: Path) -> Path:
    settings.DATA_DIR = tmp_path / "own"
    settings.RUNS_DIR = tmp_path / "shared"
    settings.RUNS_DIR.mkdir()
    return settings.RUNS_DIR


def failed(project: Project, **fields: object) -> TrainingRun:
    """Store a run that began and failed."""
    now = timezone.now()
    return TrainingRun.objects.create(
        project=project, folder="runs/1-ab", state=State.FAILED, reason=jobs.LOST,
        started_at=now, finished_at=now, **fields,
    )  # fmt: skip


def test_the_folder_of_a_run_is_in_the_shared_one(project: Project, shared: Path) -> None:
    run = failed(project)
    folder = process.run_folder(run).path
    assert folder == shared / "1-ab"
    assert process.run_folder(run).token_cache == shared / "cache"
    folder.mkdir()
    files.remove_folder(run)
    assert not folder.exists()
    assert shared.is_dir()


def test_the_reward_service_finds_models_in_the_shared_folder(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert run_folder(Path("/data"), "runs/1-ab") == Path("/data/runs/1-ab")
    monkeypatch.setenv("RUNS_DIR", "/mnt/runs")
    assert run_folder(Path("/data"), "runs/1-ab") == Path("/mnt/runs/1-ab")


def test_workers_of_other_machines_are_known_by_the_shared_folder(
    shared: Path, settings: Settings, tmp_path: Path
) -> None:
    assert queues_without_worker() == ["default", "training"]
    settings.DATA_DIR = tmp_path / "other"
    with worker_lock("other").held(queues=["training"]):
        settings.DATA_DIR = tmp_path / "own"
        assert queues_without_worker() == ["default"]


def test_a_run_whose_folder_cannot_be_seen_says_so_and_can_be_resumed(
    manager: Member, project: Project
) -> None:
    run = failed(project, metrics={"held_out": {"accuracy": 0.6}}, stage="training")
    client = sign_in(manager)
    for tab in ("", "curves/", "errors/", "data/", "settings/", "files/", "log/"):
        answer = client.get(f"/projects/kitchen/runs/{run.pk}/{tab}")
        assert answer.status_code == 200
        assert ELSEWHERE in answer.content.decode()
    assert "Another one starts again from the beginning." in text_of(answer.content.decode())
    page = client.get(f"/projects/kitchen/runs/{run.pk}/delete/").content.decode()
    assert "Its folder is on another machine, and stays there." in page
    lifecycle.resume(run)
    assert run.state == State.QUEUED
    assert ELSEWHERE not in client.get(f"/projects/kitchen/runs/{run.pk}/").content.decode()


def test_a_run_whose_folder_can_be_seen_does_not_say_so(manager: Member, project: Project) -> None:
    run = failed(project)
    process.run_folder(run).path.mkdir(parents=True)
    page = sign_in(manager).get(f"/projects/kitchen/runs/{run.pk}/").content.decode()
    assert ELSEWHERE not in page
    assert not lifecycle.can_resume(run)


def test_a_silent_worker_elsewhere_is_lost_within_a_minute(project: Project) -> None:
    run = TrainingRun.objects.create(
        project=project, folder="runs/1-ab", state=State.RUNNING, started_at=timezone.now(),
        heartbeat_at=timezone.now() - timedelta(seconds=40),
    )  # fmt: skip
    assert jobs.mark_lost(jobs.row(run)) == []
    jobs.row(run).update(heartbeat_at=timezone.now() - timedelta(seconds=50))
    assert jobs.mark_lost(jobs.row(run)) == [run]


def test_nobody_is_lost_for_the_silence_of_a_database_that_was_away(
    project: Project, on_postgresql: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite is a file, which nothing keeps from heartbeats."""
    run = TrainingRun.objects.create(
        project=project, state=State.RUNNING, heartbeat_at=timezone.now() - timedelta(hours=1)
    )
    monkeypatch.setattr(jobs, "RECOVERY", timedelta(days=365))
    assert jobs.mark_lost(jobs.row(run)) == ([] if on_postgresql else [run])


@pytest.mark.django_db(transaction=True)
def test_storing_writes_heartbeats(
    project: Project, on_postgresql: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = TrainingRun.objects.create(project=project, state=State.RUNNING)
    monkeypatch.setattr(jobs, "HEARTBEAT", timedelta(milliseconds=10))
    with jobs.beating(run):
        if on_postgresql:
            wait_for_heartbeat(run)
    run.refresh_from_db()
    assert (run.heartbeat_at is not None) == on_postgresql


def wait_for_heartbeat(run: TrainingRun) -> None:
    wait_until(lambda: jobs.row(run).filter(heartbeat_at__isnull=False).exists())
