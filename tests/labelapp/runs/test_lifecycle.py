"""Runs with the real program: from start to scores, stopped, killed and resumed."""

import os
import signal
import threading

import pytest
from django.core.management import CommandError, call_command
from django.db import connections
from django_tasks_db.models import DBTaskResult

from labelapp.jobs import jobs
from labelapp.models import Member, Project, Prompt, Score, State, TrainingRun
from labelapp.runs import lifecycle
from labelapp.runs import process as run_process
from tests.conftest import AddRanking, sign_in
from tests.labelapp.runs.tiny import TINY, URL, start
from tests.waiting import wait_until
from training.runs.folder import RunFolder


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
    assert "resumed after step" in run_process.log_path(run).read_text()
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
