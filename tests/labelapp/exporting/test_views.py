"""The page of exports: a manager requests a file, follows its progress and downloads it."""

import hashlib
import json
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from labelapp.exporting import exports, tasks
from labelapp.exporting.writer import export_file
from labelapp.jobs import files
from labelapp.models import Export, Member, State, User
from tests.conftest import AddPrompt, AddRanking, sign_in
from tests.labelapp.exporting.exported import lines
from tests.labelapp.exporting.test_writer import room_for

URL = "/projects/kitchen/export/"


@pytest.fixture
def client(manager: Member) -> Client:
    return sign_in(manager)


@pytest.fixture(autouse=True)
def ranked(add_prompt: AddPrompt, add_ranking: AddRanking, ann: Member) -> None:
    prompt = add_prompt("Wörds?")
    add_ranking(prompt, ann, [1, 2, 3, 4], is_current=False)
    add_ranking(prompt, ann, [1, 2, 2, 3], version=2)


def asked(client: Client, format_: str = "jsonl", **fields: str) -> Export:
    """Request a file on the page."""
    answer = client.post(URL, {"format": format_, **fields})
    assert answer["Location"] == URL
    return Export.objects.latest("pk")


def prepare(client: Client, format_: str = "jsonl", **fields: str) -> Export:
    """Request a file and write it."""
    export = asked(client, format_, **fields)
    tasks.write_export.call(export.pk)
    export.refresh_from_db()
    return export


def page(client: Client) -> str:
    return client.get(URL).content.decode()


def downloaded(client: Client, export: Export, query: str = "") -> tuple[bytes, str]:
    answer = client.get(f"{URL}{export.pk}/file/{query}")
    assert answer.status_code == 200
    return b"".join(answer.streaming_content), answer["Content-Disposition"]


def test_a_manager_downloads_what_the_command_writes(client: Client, export: Any) -> None:
    assert f'href="{URL}"' in client.get("/projects/kitchen/").content.decode()
    waiting = asked(client)
    assert "waiting" in page(client)
    assert DBTaskResult.objects.get().args_kwargs["args"] == [waiting.pk]
    assert tasks.write_export.call(waiting.pk) == "done"
    found, disposition = downloaded(client, waiting)
    assert found.decode() == export()
    assert disposition == 'attachment; filename="kitchen.jsonl"'
    shown = page(client)
    assert "1 ranking · 5 comparisons · 1 labeller · 1 prompt · 4 responses" in shown
    assert hashlib.sha256(found).hexdigest() in shown


def test_commands_are_shown_to_administrators_only(client: Client, root: User) -> None:
    asked(client)
    shown = page(client)
    assert "Tell whoever runs this installation." in shown
    assert "manage.py" not in shown
    shown = page(sign_in(root))
    assert "Tell whoever runs this installation." not in shown
    assert "manage.py db_worker" in shown
    assert "manage.py export_rankings kitchen" in shown


def test_the_manifest_comes_with_it(client: Client) -> None:
    done = prepare(client, zipped="on")
    found, disposition = downloaded(client, done, "?manifest")
    assert disposition == 'attachment; filename="kitchen.jsonl.gz.manifest.json"'
    assert json.loads(found)["sha256"] == done.outcome["sha256"]


@pytest.mark.parametrize(
    ("format_", "name"),
    [
        ("jsonl", "kitchen.jsonl"),
        ("trl", "kitchen.trl.jsonl"),
        ("nemo", "kitchen.nemo.jsonl"),
        ("csv", "kitchen.csv"),
        ("parquet", "kitchen.parquet"),
    ],
)
@pytest.mark.parametrize("zipped", [False, True])
def test_a_file_is_in_the_format_that_was_chosen(
    client: Client, export: Any, tmp_path: Any, format_: str, name: str, zipped: bool
) -> None:
    name += ".gz" if zipped and format_ != "parquet" else ""
    done = prepare(client, format_, **({"zipped": "on"} if zipped else {}))
    found, disposition = downloaded(client, done)
    assert disposition == f'attachment; filename="{name}"'
    written_again = export_file(done.project, tmp_path / name, done.format)  # type: ignore[arg-type]
    assert written_again.counts() == done.outcome["counts"]
    assert (tmp_path / name).read_bytes() == found


def test_a_file_has_the_earlier_versions_when_asked(client: Client) -> None:
    done = prepare(client, all_versions="on")
    found = lines(downloaded(client, done)[0].decode())
    assert [line.get("version") for line in found] == [None, 1, 2]
    assert "with earlier versions" in page(client)


def test_two_clicks_make_one_file(client: Client) -> None:
    assert asked(client).pk == asked(client).pk
    asked(client, "csv")
    assert Export.objects.count() == 2
    assert DBTaskResult.objects.count() == 2


@pytest.mark.parametrize("format_", ["", "docx"])
def test_a_format_that_there_is_not_is_refused_in_the_form(client: Client, format_: str) -> None:
    answer = client.post(URL, {"format": format_})
    assert answer.status_code == 422
    assert "errorlist" in answer.content.decode()
    assert not Export.objects.exists()


# While it is written, and when it is not


@pytest.fixture
def running(client: Client) -> Export:
    export = asked(client)
    long_ago = timezone.now() - 2 * Export.LOST_AFTER
    Export.objects.update(state=State.RUNNING, heartbeat_at=long_ago)
    export.refresh_from_db()
    return export


def test_the_page_says_how_far_it_is_and_fetches_that_itself(
    client: Client, running: Export
) -> None:
    running.total, running.done = 4000, 1000
    with files.beating(running):
        part = client.get(f"{URL}prepared/").content.decode()
    assert "Prompt 1,000 of 4,000" in part
    assert f'hx-get="{URL}prepared/"' in part


def test_it_stops_on_request_and_nothing_is_left(client: Client, running: Export) -> None:
    client.post(f"{URL}{running.pk}/stop/")
    Export.objects.update(heartbeat_at=timezone.now())
    assert "Stopping…" in page(client)
    Export.objects.update(state=State.QUEUED)
    exports.execute(running)
    running.refresh_from_db()
    assert running.state == State.STOPPED
    assert not exports.file_path(running).exists()


def test_a_waiting_one_stops_at_once(client: Client) -> None:
    waiting = asked(client)
    client.post(f"{URL}{waiting.pk}/stop/")
    tasks.write_export.call(waiting.pk)
    assert "Stopped on request. No file was saved." in page(client)


def test_one_whose_worker_was_killed_says_so(client: Client, running: Export) -> None:
    (files.folder_of(running).path / ".kitchen.jsonl.ab.part").write_text("half")
    shown = page(client)
    assert "The task worker stopped responding. No file was saved." in shown
    assert not files.folder_of(running).path.exists()


def test_a_full_disk_is_said_in_words(client: Client, add_prompt: AddPrompt) -> None:
    add_prompt("x" * 10_000)
    export = asked(client)
    with room_for(4096):
        tasks.write_export.call(export.pk)
    shown = page(client)
    assert "The file cannot be written: File too large. No file was saved." in shown
    assert str(files.folder_of(export).path) not in shown
    assert not exports.file_path(export).exists()


# What is kept


def test_the_newest_files_are_kept_and_one_may_be_removed(client: Client) -> None:
    made = [prepare(client) for _ in range(exports.KEPT + 1)]
    kept = {export.pk for export in Export.objects.all()}
    assert kept == {export.pk for export in made[1:]}
    assert not files.folder_of(made[0]).path.exists()
    client.post(f"{URL}{made[1].pk}/remove/")
    assert not files.folder_of(made[1]).path.exists()
    assert client.get(f"{URL}{made[1].pk}/file/").status_code == 404


def test_one_that_is_being_written_is_not_removed(client: Client, running: Export) -> None:
    client.post(f"{URL}{running.pk}/remove/")
    assert Export.objects.filter(pk=running.pk).exists()


def test_a_file_that_was_taken_away_by_hand_is_not_there(client: Client) -> None:
    done = prepare(client)
    exports.file_path(done).unlink()
    assert client.get(f"{URL}{done.pk}/file/").status_code == 404


# Who may


@pytest.mark.parametrize("path", ["", "prepared/", "file/", "stop/", "remove/"])
def test_only_managers_export(
    client: Client, path: str, reviewer: Member, labeller: Member, outsider: User
) -> None:
    done = prepare(client)
    url = URL + (path if path in ("", "prepared/") else f"{done.pk}/{path}")
    acts = path in ("stop/", "remove/")
    for person, status in ((reviewer, 403), (labeller, 403), (outsider, 404)):
        browser = sign_in(person)
        assert (browser.post(url) if acts else browser.get(url)).status_code == status
    assert (Client().post(url) if acts else Client().get(url)).status_code == 302
    assert client.get(url).status_code == (405 if acts else 200)
    assert "export" not in sign_in(reviewer).get("/projects/kitchen/").content.decode()


@pytest.mark.parametrize("path", ["file/", "stop/", "remove/"])
def test_an_export_of_another_project_is_not_there(
    client: Client, path: str, manager: Member
) -> None:
    done = prepare(client)
    other = type(done.project).objects.create(name="Cellar", slug="cellar")
    Member.objects.create(project=other, user=manager.user, name="m", role="manager")
    url = f"/projects/cellar/export/{done.pk}/{path}"
    assert (client.get(url) if path == "file/" else client.post(url)).status_code == 404
    assert Export.objects.filter(pk=done.pk).exists()


def test_the_page_takes_as_many_queries_for_many_files(
    client: Client, django_assert_max_num_queries: Any
) -> None:
    for format_ in ("jsonl", "trl", "nemo", "csv"):
        prepare(client, format_)
    with django_assert_max_num_queries(6):
        client.get(URL)
