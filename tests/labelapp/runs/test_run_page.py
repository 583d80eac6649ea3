"""The page of a run at work: its progress, its log, and who may act."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client
from django.utils import timezone

from labelapp.jobs import jobs
from labelapp.models import Member, Project, Prompt, State, TrainingRun, User
from labelapp.runs import lifecycle
from labelapp.runs import process as run_process
from tests.conftest import sign_in
from tests.labelapp.runs.tiny import FORM, URL, start


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


def test_a_run_says_when_it_began_and_where(running: TrainingRun, manager: Member) -> None:
    client = sign_in(manager)
    running.started_at = timezone.now() - timedelta(minutes=3)
    running.manifest = {"device": "cpu"}
    running.save()
    url = f"{URL}{running.pk}/progress/"
    page = client.get(url).content.decode()
    assert "Starting: loading PyTorch" in page
    assert re.search(r"Started 3\sminutes\sago · cpu", page)
    jobs.finish(running, State.FAILED, "The moon was in the way.")
    assert re.search(r"Started .+, ended .+ · cpu", client.get(url).content.decode())


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
    assert "Only the end of a long log" not in page
    path.write_text("ä" * 150_000)  # 300,000 bytes
    page = sign_in(manager).get(f"{URL}{running.pk}/log/").content.decode()
    assert "Only the end of a long log" in page


def test_a_run_of_an_archived_project_can_be_stopped_and_not_resumed(
    running: TrainingRun, manager: Member
) -> None:
    Project.objects.update(archived_at=timezone.now())
    client, url = sign_in(manager), f"{URL}{running.pk}/"
    assert 'id="stop"' in client.get(url).content.decode()
    assert client.post(f"{url}stop/").status_code == 302
    running.refresh_from_db()
    assert running.stop_requested
    jobs.finish(running, State.STOPPED)
    assert client.post(f"{url}go-on/").status_code == 403
    page = client.get(url).content.decode()
    assert "go-on" not in page
    assert 'id="again"' not in page


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
