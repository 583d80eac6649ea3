"""Deleting a project: completely, in steps that can be interrupted, by administrators."""

import io
import os
import pty
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.db import connection, connections
from django.db.models import QuerySet
from django.test import Client
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from labelapp.db import bulk
from labelapp.db.locks import WorkLock
from labelapp.jobs import files, jobs
from labelapp.models import (
    AgreementMeasurement,
    Export,
    Job,
    Member,
    Project,
    Prompt,
    Role,
    State,
    TrainingRun,
    Upload,
    User,
)
from labelapp.projects import deletion, invitations, tasks
from tests.conftest import AddPrompt, AddRanking, join, sign_in
from tests.labelapp.jobs.test_queues import run_worker
from tests.labelapp.projects.everything import fill, leave_unpublished, paths_to
from tests.waiting import wait_until

URL = "/projects/kitchen/delete/"


@pytest.fixture
def attic(db: None) -> Project:
    return Project.objects.create(name="Attic", slug="attic")


@pytest.fixture
def filled(project: Project, attic: Project, outsider: User) -> Project:
    """Return one of two projects that have rows of every kind."""
    for each in (project, attic):
        fill(each, outsider)
    return project


def rows_of(project: Project) -> dict[str, int]:
    """Return how many rows belong to a project, by model and way."""
    return {
        f"{model.__name__}.{way}": model._default_manager.filter(**{way: project}).count()
        for model, ways in paths_to(Project).items()
        for way in sorted(ways - {"kept_in"})  # a deletion's hidden project goes with it
    }


def files_of(slug: str) -> list[Path]:
    return [path for path in Path(settings.DATA_DIR).rglob("*") if path.name.endswith(slug)]


def delete(project: Project) -> str:
    out = io.StringIO()
    call_command("delete_project", project.slug, "--yes", stdout=out)
    return out.getvalue()


# What is deleted


@pytest.mark.parametrize(("at_once", "has_raw_delete"), [(1, True), (100, True), (100, False)])
def test_nothing_is_left_of_the_project_and_all_of_the_others(
    monkeypatch: pytest.MonkeyPatch,
    filled: Project,
    attic: Project,
    at_once: int,
    has_raw_delete: bool,
) -> None:
    monkeypatch.setattr(deletion, "PROMPTS_AT_ONCE", at_once)
    assert hasattr(QuerySet, bulk.RAW_DELETE)
    if not has_raw_delete:
        monkeypatch.setattr(bulk, "RAW_DELETE", "not in this version")
    others, before = rows_of(attic), rows_of(filled)
    assert all(others.values()), others
    assert others == before
    assert len(files_of("kitchen")) == len(files_of("attic")) == 4
    out = delete(filled)
    assert "3 prompts" in out
    assert "1 training run\n" in out
    assert not any(rows_of(filled).values())
    assert not Project.objects.filter(pk=filled.pk).exists()
    assert rows_of(attic) == others
    assert files_of("kitchen") == []
    assert len(files_of("attic")) == 4


def test_what_a_killed_import_left_is_deleted_with_its_project(filled: Project) -> None:
    hidden = leave_unpublished(filled, "ann")
    with WorkLock(filled.staging_slug).held():
        deletion.delete_unpublished(filled)
        assert hidden.prompts.exists()  # the import is running
    delete(filled)
    assert not any(rows_of(hidden).values())
    assert not Project.including_hidden.filter(pk__in=[filled.pk, hidden.pk]).exists()


def test_a_job_without_a_folder_takes_no_other_files_with_it(project: Project) -> None:
    Export.objects.create(project=project)
    Upload.objects.create(project=project, state=State.DRAFT)
    TrainingRun.objects.create(project=project, state=State.DONE, finished_at=timezone.now())
    other = Path(settings.DATA_DIR) / "other"
    other.touch()
    delete(project)
    assert other.exists()


@contextmanager
def interrupted(after: int) -> Iterator[None]:
    """Interrupt the process like Ctrl-C at one of the statements that delete."""
    left = after

    def count(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        nonlocal left
        if sql.startswith("DELETE"):
            if not left:
                raise KeyboardInterrupt
            left -= 1
        return execute(sql, *rest)

    with connection.execute_wrapper(count):
        yield


@pytest.mark.parametrize("after", [0, 7, 20, 35])
def test_an_interrupted_deletion_goes_on_when_it_is_run_again(
    monkeypatch: pytest.MonkeyPatch, filled: Project, attic: Project, root: User, after: int
) -> None:
    monkeypatch.setattr(deletion, "PROMPTS_AT_ONCE", 1)
    others = rows_of(attic)
    with interrupted(after), pytest.raises(CommandError, match="run it again to delete the rest"):
        delete(filled)
    assert sign_in(root).get("/projects/kitchen/").status_code == 404
    call_command("clean_up")  # as `serve` does it
    assert not any(rows_of(filled).values())
    assert rows_of(attic) == others
    assert files_of("kitchen") == []


def test_two_processes_do_not_delete_at_once(filled: Project) -> None:
    with (
        WorkLock(f"deletion-{filled.pk}").held(),
        pytest.raises(CommandError, match="Another process is deleting"),
    ):
        delete(filled)


# What is in progress


@pytest.mark.parametrize("model", [Upload, Export, TrainingRun, AgreementMeasurement])
def test_a_queued_job_does_not_start_any_more(project: Project, model: type[Any]) -> None:
    job = model.objects.create(project=project)
    deletion.begin(project, by="a test")
    deletion.stop_jobs(project)
    job.refresh_from_db()
    assert job.state == State.STOPPED


@pytest.mark.parametrize("model", [Upload, Export, TrainingRun, AgreementMeasurement])
@pytest.mark.django_db(transaction=True)
def test_a_job_at_work_is_stopped_before_anything_is_deleted(
    project: Project, model: type[Any]
) -> None:
    job: Job = model.objects.create(project=project)
    if isinstance(job, Upload | Export):
        files.make_folder(job)
    ended: list[str] = []

    def work(advance: Callable[[int], object] | None = None) -> None:
        while advance or jobs.beat(job):
            if advance:
                advance(1)
        raise jobs.StoppedError

    def run() -> None:
        if isinstance(job, Upload | Export):
            files.execute(job, work)  # type: ignore[arg-type]
        else:
            jobs.execute(job, work)  # type: ignore[arg-type]
        ended.append(job.state)
        connections.close_all()

    worker = threading.Thread(target=run)
    worker.start()
    wait_until(lambda: jobs.row(job).filter(state=State.RUNNING).exists())
    delete(project)
    worker.join()
    assert ended == [State.STOPPED]
    assert not Project.objects.exists()


def test_a_job_that_does_not_stop_keeps_its_project(
    monkeypatch: pytest.MonkeyPatch, filled: Project
) -> None:
    now = timezone.now()
    run = TrainingRun.objects.create(project=filled, state=State.RUNNING, heartbeat_at=now)
    monkeypatch.setattr(deletion, "STOP_SECONDS", 0)
    with pytest.raises(CommandError, match=rf"training run {run.pk} does not stop"):
        delete(filled)
    assert Prompt.objects.filter(project=filled).count() == 3


# Who sees it


def test_a_project_that_is_being_deleted_is_hidden_from_everybody(
    project: Project, manager: Member, labeller: Member, root: User
) -> None:
    assert manager.user is not None
    link = invitations.create(
        project=project,
        role=Role.LABELLER,
        lasts=timedelta(days=1),
        single=False,
        user=manager.user,
    )
    deletion.begin(project, by="a test")
    for person in (manager, labeller, root):
        client = sign_in(person)
        assert client.get("/projects/kitchen/").status_code == 404
        page = client.get("/").content.decode()
        assert "/projects/kitchen/" not in page
        assert ("Kitchen is being deleted." in page) == (person is root)
    assert Client().get(f"/join/{invitations.token(link)}/").status_code == 404
    with pytest.raises(CommandError, match="there is no project 'kitchen'"):
        call_command("add_member", "newcomer", "--project", "kitchen")
    with pytest.raises(CommandError, match="the earlier project kitchen is being deleted"):
        call_command("create_project", "kitchen")
    assert Session.objects.count() == 3  # nobody is signed out


def test_the_page_counts_asks_for_the_name_and_has_a_worker_delete(
    filled: Project, attic: Project, root: User, caplog: pytest.LogCaptureFixture
) -> None:
    client = sign_in(root)
    assert f'href="{URL}"' in client.get("/projects/kitchen/settings/").content.decode()
    page = client.get(URL).content.decode()
    assert "<dt>prompts</dt><dd>3</dd>" in page
    assert "<dt>training run</dt><dd>1</dd>" in page
    assert 'method="post" data-once' in page  # a second click would find no project
    for wrong in ("", "kitchen"):
        refused = client.post(URL, {"typed": wrong})
        assert refused.status_code == 422
        assert not DBTaskResult.objects.exists()
    with caplog.at_level("INFO"):
        assert client.post(URL, {"typed": "Kitchen"})["Location"] == "/"
    assert "root deletes the project kitchen" in caplog.text
    task = DBTaskResult.objects.get()
    assert task.task_path == tasks.delete_project.module_path
    tasks.delete_project.func(filled.pk)
    assert list(Project.objects.all()) == [attic]


@pytest.mark.parametrize("role", Role.values)
def test_only_an_administrator_deletes_what_has_rankings(
    project: Project, add_prompt: AddPrompt, add_ranking: AddRanking, role: Role
) -> None:
    somebody = join(project, "somebody", role)
    add_ranking(add_prompt(), somebody, [1, 2, 3, 4])
    client = sign_in(somebody)
    for response in (client.get(URL), client.post(URL, {"typed": "Kitchen"})):
        assert response.status_code == 403
        assert "Only a" in response.content.decode()
    assert URL not in client.get("/projects/kitchen/settings/").content.decode()
    project.refresh_from_db()
    assert project.deleted_at is None


def test_a_manager_deletes_a_project_without_rankings(
    project: Project, manager: Member, labeller: Member
) -> None:
    assert sign_in(labeller).post(URL, {"typed": "Kitchen"}).status_code == 403
    assert URL in sign_in(manager).get("/projects/kitchen/settings/").content.decode()
    assert sign_in(manager).post(URL, {"typed": "Something"}).status_code == 422
    assert sign_in(manager).post(URL, {"typed": "Kitchen"})["Location"] == "/"
    project.refresh_from_db()
    assert project.deleted_at is not None


@pytest.mark.django_db(transaction=True)
def test_a_worker_deletes(filled: Project, root: User) -> None:
    sign_in(root).post(URL, {"typed": "Kitchen"})
    run_worker("default")
    assert not Project.objects.filter(pk=filled.pk).exists()


# The command


@contextmanager
def typing(text: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have a terminal in which somebody types."""
    ours, theirs = pty.openpty()
    os.write(ours, f"{text}\n".encode())
    with os.fdopen(theirs) as terminal:
        monkeypatch.setattr("sys.stdin", terminal)
        yield
    os.close(ours)


def test_the_command_asks_for_the_slug(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], filled: Project
) -> None:
    with typing("yes", monkeypatch), pytest.raises(CommandError, match="that is not kitchen"):
        call_command("delete_project", "kitchen")
    assert "Type kitchen to confirm" in capsys.readouterr().out
    assert Prompt.objects.filter(project=filled).count() == 3
    with typing("kitchen", monkeypatch):
        call_command("delete_project", "kitchen")
    assert not Prompt.objects.filter(project=filled).exists()


def test_the_command_deletes_nothing_without_a_terminal(
    monkeypatch: pytest.MonkeyPatch, filled: Project
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("kitchen\n"))
    with pytest.raises(CommandError, match="add --yes"):
        call_command("delete_project", "kitchen")
    with pytest.raises(CommandError, match="there is no project 'cellar'"):
        call_command("delete_project", "cellar", "--yes")
    filled.refresh_from_db()
    assert filled.deleted_at is None


def test_names_of_an_import_are_not_counted_as_members(manager: Member, root: User) -> None:
    Member.objects.create(project=manager.project, name="votes")
    page = sign_in(root).get(URL).content.decode()
    assert "<dt>member</dt><dd>1</dd>" in page
    assert "<dt>imported name</dt><dd>1</dd>" in page
