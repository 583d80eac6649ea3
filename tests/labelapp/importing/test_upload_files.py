"""The file of an upload: what is sent, and what stays on the disk."""

import io
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from labelapp.importing import upload_file, upload_handler, uploads
from labelapp.jobs import files
from labelapp.models import Member, Prompt, State, Upload
from tests.conftest import sign_in
from tests.labelapp.exporting.test_writer import room_for
from tests.labelapp.importing.uploads import URL, confirm, line, lines, page_of, send

# The file on the server's disk


@pytest.mark.parametrize("change", ["cut", "altered"])
def test_a_file_that_changes_on_the_disk_is_not_imported(client: Client, change: str) -> None:
    upload = send(client, lines(line(1), line(2)))
    path = upload_file.file_path(upload)
    content = path.read_bytes()
    first = content.index(b"\n") + 1
    path.write_bytes(content[:first] if change == "cut" else content.replace(b"Why 2", b"Who 2"))
    upload = confirm(client, upload)
    assert (upload.state, upload.reason) == (State.FAILED, uploads.CHANGED)
    assert not Prompt.objects.exists()
    assert uploads.CHANGED in page_of(client, upload)


def test_a_file_of_an_earlier_version_is_known_by_its_size(client: Client) -> None:
    upload = send(client, lines(line(1), line(2)))
    uploads.checksum_path(upload).unlink()
    assert confirm(client, upload).state == State.DONE


def test_a_damaged_parquet_file_is_refused_as_what_it_is(client: Client) -> None:
    upload = send(client, b"PAR1" + bytes(1000), "rankings.parquet")
    page = page_of(client, upload)
    assert "The file is a Parquet file that cannot be opened:" in page
    assert "Save it again" in page
    upload = confirm(client, upload)
    assert upload.state == State.FAILED
    assert upload.reason.startswith("The file is a Parquet file that cannot be opened:")


# What is kept, and for how long


@pytest.mark.parametrize("by_command", [False, True])
def test_files_of_uploads_that_nobody_ended_go_after_a_while(
    client: Client, by_command: bool
) -> None:
    old, done = send(client, lines(line(1))), confirm(client, send(client, lines(line(2))))
    fresh = send(client, lines(line(3)))
    long_ago = timezone.now() - uploads.KEPT_FOR - timedelta(days=1)
    Upload.objects.exclude(pk=fresh.pk).update(created_at=long_ago)
    if by_command:
        call_command("clean_up", stdout=io.StringIO())  # as `serve` does it every day
    else:
        send(client, lines(line(4)))
    assert set(Upload.objects.filter(pk__lte=fresh.pk)) == {done, fresh}
    assert not files.folder_of(old).path.exists()
    assert files.folder_of(fresh).path.exists()
    assert "Imported" in page_of(client, done)


def test_only_podium_may_read_the_files(client: Client) -> None:
    upload = send(client, lines(line(1)))
    path = upload_file.file_path(upload)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


# What is sent


@pytest.mark.parametrize(
    ("name", "shown", "stored"),
    [
        ("../../etc/passwd", "passwd", "file"),
        ("..\\..\\boot.csv", "boot.csv", "file.csv"),
        ("<b onclick=alert(1)>.JSONL.GZ", "&lt;b onclick", "file.jsonl.gz"),
        ("übung.csv\u202egnp", "übung.csvgnp", "file.csvgnp"),
        ("a" * 300 + ".csv", "aaa.csv", "file.csv"),
    ],
)
def test_a_hostile_name_is_only_shown(client: Client, name: str, shown: str, stored: str) -> None:
    file = SimpleUploadedFile("x", lines(line(1)))
    file._name = name  # as a browser may send it
    client.post(URL, {"file": file})
    upload = Upload.objects.get()
    assert upload_file.file_path(upload).name == stored
    assert shown in page_of(client, upload) or shown in upload.name
    assert "<b onclick" not in page_of(client, upload)
    assert "/" not in upload.name


def test_hostile_texts_are_shown_as_texts(client: Client) -> None:
    hostile = "<img src=x onerror=alert(1)> ![](http://example.org/x.png)"
    upload = send(client, lines(line(1, prompt=hostile, labeller=hostile)))
    page = page_of(client, upload)
    assert "<img" not in page
    assert "&lt;img src=x onerror=alert(1)&gt; ![](http://example.org/x.png)" in page


@pytest.mark.parametrize("data", [{}, {"file": ""}, {"file": SimpleUploadedFile("a.jsonl", b"")}])
def test_no_file_or_an_empty_one_is_refused_in_the_form(client: Client, data: Any) -> None:
    answer = client.post(URL, data)
    assert answer.status_code == 422
    assert "errorlist" in answer.content.decode()
    assert not Upload.objects.exists()


def left() -> list[Path]:
    folder = upload_handler.incoming_folder()
    return list(folder.iterdir()) if folder.exists() else []


def test_a_file_that_is_too_large_is_refused_in_words(client: Client, settings: Any) -> None:
    settings.MAX_UPLOAD_BYTES = 2**20
    answer = client.post(URL, {"file": SimpleUploadedFile("a.jsonl", b"x" * 2**21)})
    assert answer.status_code == 422
    assert "The file is larger than the limit of 1.0\xa0MB." in answer.content.decode()
    assert left() == []


def test_a_full_disk_is_said_in_words_and_nothing_is_left(client: Client) -> None:
    with room_for(2**16):
        answer = client.post(URL, {"file": SimpleUploadedFile("a.jsonl", b"x" * 2**18)})
    assert answer.status_code == 422
    assert "has no room for this file" in answer.content.decode()
    assert left() == []


def test_who_may_not_upload_leaves_nothing_on_the_disk(labeller: Member, manager: Member) -> None:
    """The same holds for a manager on a page that accepts no files."""

    def data() -> dict[str, Any]:
        return {"file": SimpleUploadedFile("a.jsonl", b"x" * 2**20)}

    assert sign_in(labeller).post(URL, data()).status_code == 403
    checked = Client(enforce_csrf_checks=True)
    checked.force_login(manager.user)
    assert checked.post(URL, data()).status_code == 403
    sign_in(manager).post("/projects/kitchen/settings/", data())
    assert left() == []


def test_a_token_that_is_sent_before_the_file_lets_it_in(manager: Member) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(manager.user)
    page = client.get(URL).content.decode()
    token = page.split('name="csrfmiddlewaretoken" value="')[1].split('"')[0]
    data = {"csrfmiddlewaretoken": token, "file": SimpleUploadedFile("a.jsonl", lines(line(1)))}
    assert client.post(URL, data).status_code == 302
