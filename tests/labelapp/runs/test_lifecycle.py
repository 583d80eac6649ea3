"""Runs: start one, follow it, stop it; what fails says why."""

import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import uuid
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection, connections
from django.test import Client
from django.utils import timezone
from django_tasks_db.models import DBTaskResult
from sqlalchemy import text

from labelapp.jobs import jobs
from labelapp.jobs.environment import database_url
from labelapp.models import Member, Project, Prompt, Score, State, TrainingRun, User
from labelapp.runs import lifecycle
from labelapp.runs import process as run_process
from tests.conftest import AddPrompt, AddRanking, sign_in
from tests.training.test_child_process import is_running
from tests.waiting import PATIENCE, wait_until
from training.config import TrainConfig
from training.data.database import open_engine
from training.rankings import UNRANKED
from training.runs.folder import Progress, RunFolder

URL = "/projects/kitchen/runs/"
WAIT_FOR_FILE = "import os, time\nwhile not os.path.exists('{path}'): time.sleep(0.01)"
TINY: dict[str, Any] = {
    "backbone": "transformer", "layers": 1, "width": 16, "heads": 2, "vocabulary": 300,
    "epochs": 1, "device": "cpu",
}  # fmt: skip


@pytest.fixture
def ranked(add_prompt: AddPrompt, add_ranking: AddRanking, labeller: Member) -> list[Prompt]:
    """Four prompts that the labeller has ranked."""
    prompts = [add_prompt(f"Question {i}?") for i in range(4)]
    for prompt in prompts:
        add_ranking(prompt, labeller, [1, 2, 2, 3])
    return prompts


def start(project: Project, **settings: Any) -> TrainingRun:
    return lifecycle.start(project=project, config=TrainConfig(**TINY | settings))


# From start to scores, with the real program


@pytest.mark.django_db(transaction=True)
def test_the_command_trains_once_if_so_asked_and_scores_are_stored(
    ranked: list[Prompt], capfd: pytest.CaptureFixture[str]
) -> None:
    options = [f"--{name}={value}" for name, value in TINY.items()]
    call_command("train_reward", "--project", "kitchen", "--unless-trained", *options)
    said = capfd.readouterr()
    run = TrainingRun.objects.get()
    assert "On 1 held-out prompt the model orders" in said.out
    assert "Hold out at least" not in said.out
    assert said.err.count("hold out at least") == 1  # the caveat, from the training program
    assert (run.state, run.reason) == (State.DONE, "")
    assert run.done == run.total > 0
    assert run.manifest["rankings"] == 4
    assert 0.0 <= run.metrics["held_out"]["accuracy"] <= 1.0
    by_source = run.metrics["held_out"]["by_source"]
    assert [each["source"] for each in by_source] == [f"model-{place}" for place in range(4)]
    counted = sum(each["comparisons"] for each in by_source)
    assert counted == 2 * run.metrics["held_out"]["comparisons"]
    assert run_process.run_folder(run).read_metrics() == run.metrics
    assert Score.objects.filter(run=run).count() == 16
    assert run.agreements.filter(held_out=True).count() == run.metrics["held_out"]["prompts"]
    assert (run_process.run_folder(run).model / "model.safetensors").is_file()
    call_command("train_reward", "--project", "kitchen", "--unless-trained", *options)
    assert "kitchen already has a trained model." in capfd.readouterr().out
    assert TrainingRun.objects.count() == 1


@pytest.mark.usefixtures("forked")
@pytest.mark.django_db(transaction=True)
def test_a_failed_run_says_why_in_words(project: Project, ranked: list[Prompt]) -> None:
    run = start(project, backbone="pretrained", model="/nowhere/model")
    lifecycle.execute(run)
    assert run.state == State.FAILED
    assert "/nowhere/model" in run.reason
    assert "\n" not in run.reason
    assert "/nowhere/model" in run_process.tail(run_process.log_path(run), 10_000)


@pytest.mark.usefixtures("forked")
@pytest.mark.django_db(transaction=True)
def test_a_run_stops_on_request(project: Project, ranked: list[Prompt]) -> None:
    run = start(project, epochs=10_000)

    def stop_when_running() -> None:
        try:
            wait_until(TrainingRun.objects.filter(pk=run.pk, state=State.RUNNING).exists)
            jobs.request_stop(run)
        finally:
            connections.close_all()

    stopper = threading.Thread(target=stop_when_running)
    stopper.start()
    lifecycle.execute(run)
    stopper.join()
    assert run.state == State.STOPPED


def has_steps(folder: RunFolder) -> bool:
    """Return whether a run reports that it has made a step."""
    progress = folder.read_progress()
    return progress is not None and progress.step > 0


@pytest.fixture
def cut_off(project: Project, ranked: list[Prompt]) -> TrainingRun:
    """Return a run that was killed at a checkpoint, hundreds of steps before its end."""
    return kill_at_checkpoint(start(project, epochs=300, checkpoint_minutes=0.0001))


def kill_at_checkpoint(run: TrainingRun) -> TrainingRun:
    """Execute a run until its first checkpoint, and kill its process.

    What is left needs no checkpoints, each of which is flushed to the disk.
    """

    def kill() -> None:
        folder = run_process.run_folder(run)
        wait_until(lambda: folder.is_unfinished and has_steps(folder))
        os.kill(int((folder.path / "lock").read_text()), signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    lifecycle.execute(run)
    killer.join()
    run.config["checkpoint_minutes"] = 60.0
    run.save(update_fields=["config"])
    return run


@pytest.mark.usefixtures("forked")
@pytest.mark.django_db(transaction=True)
def test_a_run_of_some_rankings_resumes_with_the_same_ones(
    project: Project,
    ranked: list[Prompt],
    add_ranking: AddRanking,
    labeller: Member,
    manager: Member,
) -> None:
    for prompt in ranked:
        add_ranking(prompt, manager, [3, 2, 2, 1])
    run = start(project, epochs=300, checkpoint_minutes=0.0001, labellers=labeller.name)
    kill_at_checkpoint(run)
    begun = run.manifest
    assert (begun["chosen"], begun["ranking_filter"]) == (4, {"labellers": ["labeller"]})
    lifecycle.delete_tokens(run)  # so that the rankings are read again
    lifecycle.resume(run)
    lifecycle.execute(run)
    assert (run.state, run.reason) == (State.DONE, "")
    assert run.manifest["rankings_sha256"] == begun["rankings_sha256"]
    assert run.metrics["peak_memory"] == run.metrics["peak_rss"] > 1e8


@pytest.mark.usefixtures("forked")
@pytest.mark.django_db(transaction=True)
def test_a_run_that_was_killed_goes_on_where_it_was(cut_off: TrainingRun, manager: Member) -> None:
    assert (cut_off.state, cut_off.done > 0) == (State.FAILED, True)
    assert "was killed" in cut_off.reason
    client, url = sign_in(manager), f"{URL}{cut_off.pk}/"
    assert (
        "It can resume from its last checkpoint; it stopped at step"
        in client.get(url).content.decode()
    )
    assert client.post(f"{url}go-on/")["Location"] == url
    again = client.post(f"{url}go-on/")  # a second click
    assert again.status_code == 422
    assert "The run is already in progress." in again.content.decode()
    assert DBTaskResult.objects.get().args_kwargs["args"] == [cut_off.pk]
    run = TrainingRun.objects.get()
    assert (run.state, run.reason, run.finished_at) == (State.QUEUED, "", None)
    lifecycle.execute(run)
    assert (run.state, run.done) == (State.DONE, run.total)
    assert "going on after step" in run_process.log_path(run).read_text()
    lines = run_process.run_folder(run).metric_lines()
    assert [line["step"] for line in lines] == list(range(1, run.metrics["steps"] + 1))


@pytest.mark.usefixtures("forked")
@pytest.mark.django_db(transaction=True)
def test_the_command_goes_on_with_the_last_run_and_only_scores_where_scoring_failed(
    project: Project, ranked: list[Prompt], capfd: pytest.CaptureFixture[str]
) -> None:
    run = start(project)
    lifecycle.execute(run)
    assert (run.state, run.reason) == (State.DONE, "")
    trained = run_process.run_folder(run).read_metrics()
    Score.objects.all().delete()
    TrainingRun.objects.update(state=State.FAILED, reason="The database was away.")
    with pytest.raises(CommandError, match="leave out --epochs"):
        call_command("train_reward", "--project", "kitchen", "--go-on", "--epochs=5")
    capfd.readouterr()
    call_command("train_reward", "--project", "kitchen", "--go-on")
    said = capfd.readouterr().out
    assert said.count("Hold out at least") == 1  # the training program did not run
    assert "On 1 held-out prompt the model orders" in said
    run.refresh_from_db()
    assert (run.state, run.reason) == (State.DONE, "")
    assert run_process.run_folder(run).read_metrics() == trained
    assert Score.objects.filter(run=run).count() == 16
    with pytest.raises(CommandError, match=f"Run {run.pk} left no checkpoint to resume from"):
        call_command("train_reward", "--project", "kitchen", "--go-on")
    assert TrainingRun.objects.count() == 1


def test_a_run_without_a_checkpoint_does_not_go_on(
    project: Project, ranked: list[Prompt], manager: Member
) -> None:
    run = start(project)
    jobs.request_stop(run)
    client = sign_in(manager)
    assert "Resume" not in client.get(f"{URL}{run.pk}/").content.decode()
    response = client.post(f"{URL}{run.pk}/go-on/")
    assert response.status_code == 422
    assert f"Run {run.pk} left no checkpoint to resume from." in response.content.decode()
    assert not DBTaskResult.objects.exists()


# What can go wrong around the program


def process(program: str) -> list[str]:
    return [sys.executable, "-c", program]


@pytest.fixture
def running(project: Project, ranked: list[Prompt]) -> TrainingRun:
    run = start(project)
    TrainingRun.objects.filter(pk=run.pk).update(state=State.RUNNING, heartbeat_at=timezone.now())
    run.refresh_from_db()
    return run


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
        [*train, "--backbone", "transformer", "--epochs", "10000"],
        cwd=settings.BASE_DIR,
        env=environment,
        stderr=subprocess.PIPE,
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
    options = [f"--{name}={value}" for name, value in (TINY | {"epochs": 10_000}).items()]
    command = subprocess.Popen(
        [*train, *options], cwd=settings.BASE_DIR, env=environment, stderr=subprocess.DEVNULL
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


# When training is not possible


@pytest.mark.parametrize(
    ("ranks", "count"),
    [
        ([], "are none"),
        ([[1, 1, 1, 1]] * 2, "are none"),
        ([[1, 2, 3, 4]], "is one"),
        ([[1, UNRANKED, UNRANKED, UNRANKED]], "is one"),
    ],
)
def test_training_needs_two_prompts_with_a_comparison(
    project: Project,
    add_prompt: AddPrompt,
    add_ranking: AddRanking,
    labeller: Member,
    manager: Member,
    ranks: list[list[int]],
    count: str,
) -> None:
    for i, rank in enumerate(ranks):
        add_ranking(add_prompt(f"{i}?"), labeller, rank)
    with pytest.raises(lifecycle.CannotTrainError, match=f"So far there {count}"):
        start(project)
    with pytest.raises(CommandError, match="at least two prompts"):
        call_command("train_reward", "--project", "kitchen")
    response = sign_in(manager).post(URL, {"backbone": "transformer", "ties": "drop", "seed": "0"})
    assert response.status_code == 422
    assert f"So far there {count}" in response.content.decode()
    assert not TrainingRun.objects.exists()


def test_a_setting_that_is_wrong_is_named(project: Project, ranked: list[Prompt]) -> None:
    with pytest.raises(CommandError, match="epochs must be at least 1"):
        call_command("train_reward", "--project", "kitchen", "--epochs", "0")
    with pytest.raises(CommandError, match="no project 'attic'"):
        call_command("train_reward", "--project", "attic")


# The pages

FORM = {
    "backbone": "transformer",
    "aggregation": "majority",
    "ties": "half",
    "epochs": "3",
    "seed": "7",
}


def test_a_manager_starts_a_run(ranked: list[Prompt], manager: Member) -> None:
    response = sign_in(manager).post(URL, FORM)
    run = TrainingRun.objects.get()
    assert response["Location"] == f"{URL}{run.pk}/"
    assert run.created_by == manager.user
    assert (run.config["ties"], run.config["epochs"], run.config["seed"]) == ("half", 3, 7)
    assert run.config["aggregation"] == "majority"
    task = DBTaskResult.objects.get()
    assert task.args_kwargs["args"] == [run.pk]


def form_key(page: str) -> str:
    found = re.search(r'name="form_key" value="([0-9a-f-]+)"', page)
    assert found
    return found.group(1)


def test_a_second_press_starts_no_second_run(ranked: list[Prompt], manager: Member) -> None:
    client = sign_in(manager)
    form = FORM | {"form_key": form_key(client.get(f"{URL}new/").content.decode())}
    first, second = client.post(URL, form), client.post(URL, form)
    assert first["Location"] == second["Location"]
    assert TrainingRun.objects.count() == DBTaskResult.objects.count() == 1


def test_the_same_form_with_other_settings_starts_another_run(
    ranked: list[Prompt], manager: Member
) -> None:
    client = sign_in(manager)
    form = FORM | {"form_key": form_key(client.get(f"{URL}new/").content.decode())}
    client.post(URL, form)
    client.post(URL, form | {"seed": "8"})
    assert [run.config["seed"] for run in TrainingRun.objects.order_by("pk")] == [7, 8]


def test_a_form_key_of_another_project_starts_a_run_of_its_own(
    ranked: list[Prompt], manager: Member
) -> None:
    attic = Project.objects.create(name="Attic", slug="attic")
    theirs = TrainingRun.objects.create(project=attic, form_key=uuid.uuid4())
    sign_in(manager).post(URL, FORM | {"form_key": str(theirs.form_key)})
    assert TrainingRun.objects.get(project=manager.project).form_key is None


def test_runs_of_a_project_queue(ranked: list[Prompt], manager: Member) -> None:
    client = sign_in(manager)
    for seed in ("1", "2", "3"):
        assert client.post(URL, FORM | {"seed": seed}).status_code == 302
    assert TrainingRun.objects.filter(state=State.QUEUED).count() == 3
    assert DBTaskResult.objects.count() == 3
    page = client.get(f"{URL}new/").content.decode()
    assert "3 runs of this project are waiting or in progress." in page
    assert 'id="blocked"' not in page


def test_bad_settings_are_refused_in_the_page(ranked: list[Prompt], manager: Member) -> None:
    response = sign_in(manager).post(URL, FORM | {"learning_rate": "7"})
    assert response.status_code == 422
    assert "Must be above 0 and at most 1, got 7.0." in response.content.decode()
    assert not TrainingRun.objects.exists()


def test_a_waiting_run_is_stopped_at_once(
    project: Project, ranked: list[Prompt], manager: Member
) -> None:
    run = start(project)
    sign_in(manager).post(f"{URL}{run.pk}/stop/")
    run.refresh_from_db()
    assert run.state == State.STOPPED
    lifecycle.execute(run)  # the worker comes to it later
    run.refresh_from_db()
    assert run.state == State.STOPPED


def test_progress_is_a_fragment_that_asks_again_while_the_run_goes_on(
    running: TrainingRun, manager: Member
) -> None:
    jobs.beat(running, stage="training", done=3, total=12, loss=0.6123)
    client = sign_in(manager)
    page = client.get(f"{URL}{running.pk}/progress/").content.decode()
    assert "<html" not in page
    assert "hx-trigger" in page
    assert "0.612" in page
    jobs.finish(running, State.FAILED, "The moon was in the way.")
    page = client.get(f"{URL}{running.pk}/progress/").content.decode()
    assert "hx-trigger" not in page
    assert "The moon was in the way." in page


@pytest.mark.parametrize(
    ("stage", "words"),
    [
        ("loading", "Reading the rankings"),
        ("tokenizing", "Splitting the texts into tokens"),
        ("counting", "Counting words"),
        ("choosing", "Choosing among linear models"),
        ("evaluating", "Evaluating on held-out prompts"),
    ],
)
def test_every_stage_has_words_and_shows_how_much_is_done(
    running: TrainingRun, manager: Member, stage: str, words: str
) -> None:
    jobs.beat(running, stage=stage, done=3, total=12)
    page = sign_in(manager).get(f"{URL}{running.pk}/progress/").content.decode()
    assert words in page
    assert "25&#8239;%" in page


def test_the_log_is_shown_as_text(running: TrainingRun, manager: Member) -> None:
    path: Path = run_process.log_path(running)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("step 1 <script>alert(1)</script>")
    page = sign_in(manager).get(f"{URL}{running.pk}/log/").content.decode()
    assert "step 1 &lt;script&gt;" in page


def test_reviewers_look_and_managers_act(
    running: TrainingRun, reviewer: Member, labeller: Member, outsider: User
) -> None:
    one = f"{URL}{running.pk}/"
    for url in (URL, one, f"{one}progress/", f"{one}log/"):
        assert sign_in(reviewer).get(url).status_code == 200, url
        assert sign_in(labeller).get(url).status_code == 403, url
        assert sign_in(outsider).get(url).status_code == 404, url
        assert Client().get(url).status_code == 302, url
    for url in (URL, f"{one}stop/", f"{one}go-on/"):
        assert sign_in(reviewer).post(url, FORM).status_code == 403, url
        assert sign_in(labeller).post(url, FORM).status_code == 403, url
    for url in (f"{one}stop/", f"{one}go-on/"):
        assert sign_in(reviewer).get(url).status_code == 405
    running.refresh_from_db()
    assert not running.stop_requested


def test_a_run_of_another_project_is_not_found(running: TrainingRun, manager: Member) -> None:
    elsewhere = Project.objects.create(name="Attic", slug="attic")
    Member.objects.create(project=elsewhere, user=manager.user, name="m", role="manager")
    client = sign_in(manager)
    for page in ("", "progress/", "log/"):
        assert client.get(f"/projects/attic/runs/{running.pk}/{page}").status_code == 404
    assert client.post(f"/projects/attic/runs/{running.pk}/stop/").status_code == 404


@pytest.mark.parametrize("name", ["aggregation", "verdicts"])  # the latter of an earlier version
def test_training_again_takes_the_same_rankings(
    running: TrainingRun, manager: Member, name: str
) -> None:
    config = running.config | {name: "majority"}
    if name == "verdicts":
        del config["aggregation"]
    TrainingRun.objects.update(config=config)
    jobs.finish(running, State.FAILED, "The moon was in the way.")
    client = sign_in(manager)
    again = f"{URL}new/?again={running.pk}"
    assert f'href="{again}"' in client.get(f"{URL}{running.pk}/").content.decode()
    page = client.get(again).content.decode()
    assert '<option value="majority" selected>' in page
    assert re.search(r'name="width"[^>]* value="16"|value="16"[^>]* name="width"', page)


@pytest.mark.parametrize("number", ["x", "0", "999999", "9" * 30, "-1"])
def test_there_is_no_form_for_a_run_that_is_not_there(manager: Member, number: str) -> None:
    assert sign_in(manager).get(f"{URL}new/?again={number}").status_code == 404


def test_the_settings_of_another_projects_run_are_not_shown(
    running: TrainingRun, manager: Member
) -> None:
    elsewhere = Project.objects.create(name="Attic", slug="attic")
    Member.objects.create(project=elsewhere, user=manager.user, name="m", role="manager")
    again = f"/projects/attic/runs/new/?again={running.pk}"
    assert sign_in(manager).get(again).status_code == 404
