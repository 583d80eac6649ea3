"""The process of a run: what can go wrong around it."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection, connections
from django.utils import timezone
from sqlalchemy import text

from labelapp.jobs import jobs
from labelapp.jobs.environment import database_url
from labelapp.models import Member, Project, Prompt, State, TrainingRun
from labelapp.runs import lifecycle
from labelapp.runs import process as run_process
from tests.conftest import sign_in
from tests.labelapp.runs.tiny import TINY, URL
from tests.training.test_child_process import is_running
from tests.waiting import PATIENCE, wait_until
from training.data.engine import open_engine
from training.runs.folder import Progress

LONG = [f"--{name}={value}" for name, value in (TINY | {"epochs": 10_000}).items()]
WAIT_FOR_FILE = "import os, time\nwhile not os.path.exists('{path}'): time.sleep(0.01)"


def process(program: str) -> list[str]:
    return [sys.executable, "-c", program]


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        (
            "import os; os.kill(os.getpid(), 9)",
            "was killed; the machine may have run out of memory",
        ),
        ("import sys; sys.exit(3)", "ended with exit status 3. See its log for details"),
        ("import os; os.abort()", f"ended with signal {signal.SIGABRT}"),
        ("import sys; sys.exit('error: no such thing')", "no such thing"),
    ],
)
def test_a_process_that_dies_leaves_a_reason(
    running: TrainingRun, program: str, reason: str
) -> None:
    with pytest.raises(jobs.FailedError, match=reason):
        run_process.watch(running, process(program), show=False)


def test_a_reason_is_not_that_of_a_process_before_it(running: TrainingRun) -> None:
    folder = run_process.run_folder(running)
    folder.path.mkdir(parents=True)
    folder.write_progress(Progress("failed", reason="stopped by SIGTERM"))
    run_process.log_path(running).write_text("error: stopped by SIGTERM\n")
    with pytest.raises(jobs.FailedError, match=r"ended with exit status 3\. See its log"):
        run_process.watch(running, process("import sys; sys.exit(3)"), show=False)


@pytest.mark.django_db(transaction=True)
def test_training_outlives_a_database_that_is_away_for_a_moment(
    running: TrainingRun, on_postgresql: bool, tmp_path: Path
) -> None:
    """PostgreSQL ends the connection; SQLite is locked until the connection was given up."""
    ours = connections["default"]  # a thread sees only its own under this name
    lost = ours.connection
    running.heartbeat_at = None  # so that the next look writes
    with ExitStack() as locked:
        if on_postgresql:
            with open_engine(database_url(connection.settings_dict)).connect() as other:
                other.execute(text(f"SELECT pg_terminate_backend({lost.info.backend_pid})"))
        else:
            lost.execute("PRAGMA busy_timeout = 100")
            name = connection.settings_dict["NAME"]
            writer = sqlite3.connect(name, isolation_level=None, check_same_thread=False)
            locked.callback(writer.close)
            writer.execute("BEGIN IMMEDIATE")
        over = tmp_path / "over"

        def end_disturbance() -> None:
            try:
                wait_until(lambda: ours.connection is not lost)
                locked.close()
                wait_until(lambda: ours.connection is not None)
            finally:
                over.touch()

        thread = threading.Thread(target=end_disturbance)
        thread.start()
        run_process.watch(running, process(WAIT_FOR_FILE.format(path=over)), show=False)
        thread.join()
    assert connection.connection not in (None, lost)
    jobs.finish(running, State.DONE)
    assert running.state == State.DONE


@pytest.mark.django_db(transaction=True)
def test_a_terminated_command_stops_its_training(project: Project, ranked: list[Prompt]) -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "DATA_DIR": str(settings.DATA_DIR),
        "DATABASE_URL": database_url(connection.settings_dict),
    }
    train = [sys.executable, "manage.py", "train_reward", "--project", "kitchen"]
    command = subprocess.Popen(
        [*train, *LONG], cwd=settings.BASE_DIR, env=environment, stderr=subprocess.PIPE
    )
    wait_until(TrainingRun.objects.filter(stage="training").exists)
    command.terminate()
    _, said = command.communicate(timeout=PATIENCE)
    assert command.returncode == 1
    assert b"stopped; resume it with --go-on" in said
    run = TrainingRun.objects.get()
    assert run.state == State.FAILED
    progress = run_process.run_folder(run).read_progress()
    assert progress is not None
    assert progress.state == "failed"  # the training process itself came to its end
    assert lifecycle.can_resume(run)


@pytest.mark.django_db(transaction=True)
def test_a_killed_command_takes_its_training_along(project: Project, ranked: list[Prompt]) -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "DATA_DIR": str(settings.DATA_DIR),
        "DATABASE_URL": database_url(connection.settings_dict),
    }
    train = [sys.executable, "manage.py", "train_reward", "--project", "kitchen"]
    command = subprocess.Popen(
        [*train, *LONG], cwd=settings.BASE_DIR, env=environment, stderr=subprocess.DEVNULL
    )
    wait_until(lambda: TrainingRun.objects.filter(stage="training").exists())
    folder = run_process.run_folder(TrainingRun.objects.get())
    training = int((folder.path / "lock").read_text())
    assert is_running(training)
    command.kill()
    command.wait()
    wait_until(lambda: not is_running(training))
    assert folder.is_unfinished  # it saved its last step


def test_a_run_without_a_heartbeat_is_given_up(running: TrainingRun, manager: Member) -> None:
    TrainingRun.objects.update(heartbeat_at=timezone.now() - timedelta(minutes=5))
    page = sign_in(manager).get(f"{URL}{running.pk}/").content.decode()
    assert "The task worker stopped responding." in page
    running.refresh_from_db()
    assert running.state == State.FAILED


def test_a_run_that_was_given_up_is_not_written_to(running: TrainingRun) -> None:
    TrainingRun.objects.update(state=State.FAILED, reason="given up", finished_at=timezone.now())
    with pytest.raises(jobs.StoppedError):
        run_process.watch(running, process("import time; time.sleep(60)"), show=False)
    jobs.finish(running, State.DONE)
    assert running.state == State.FAILED


def test_a_run_is_executed_once(running: TrainingRun) -> None:
    lifecycle.execute(running)  # another worker has it
    assert running.state == State.RUNNING
    assert not run_process.run_folder(running).path.exists()


def test_the_program_gets_a_database_address_that_it_can_read(project: Project) -> None:
    url = database_url(connection.settings_dict)
    with open_engine(url).connect() as other:  # outside this test's transaction
        assert other.execute(text("SELECT count(*) FROM labelapp_project")).scalar() == 0


@pytest.mark.parametrize(
    ("place", "url"),
    [
        (
            {"HOST": "db.example", "PORT": "5433"},
            "a%40b:p%3A%2Fw@db.example:5433/po%2Fdium?sslmode=require",
        ),
        (
            {"HOST": "/run/pg", "PORT": ""},
            "a%40b:p%3A%2Fw@/po%2Fdium?sslmode=require&host=%2Frun%2Fpg",
        ),
    ],
)
def test_the_program_gets_every_part_of_a_postgresql_address(
    place: dict[str, str], url: str
) -> None:
    database = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "po/dium",
        "USER": "a@b",
        "PASSWORD": "p:/w",
        "OPTIONS": {"sslmode": "require", "server_side_binding": True, "prepare_threshold": 2},
    }
    assert database_url(database | place) == f"postgresql://{url}"
