"""Imports of uploads that are stopped, killed or lost."""

import threading

import pytest
from django.db import connections
from django.test import Client
from django.utils import timezone

from labelapp.importing import uploads
from labelapp.jobs import files, jobs
from labelapp.models import Prompt, State, Upload
from tests.labelapp.importing.uploads import URL, line, lines, page_of, send, work
from tests.waiting import wait_until


def test_a_waiting_import_stops_at_once_and_can_be_asked_for_again(client: Client) -> None:
    upload = send(client, lines(line(1)))
    client.post(f"{URL}{upload.pk}/", {"format": "jsonl", "rankings": "yes", "import": "all"})
    client.post(f"{URL}{upload.pk}/stop/")
    upload = work(upload)
    assert upload.state == State.STOPPED
    assert "Stopped on request. Nothing was imported." in page_of(client, upload)
    client.post(f"{URL}{upload.pk}/import/", {"import": "all"})
    assert work(upload).state == State.DONE


@pytest.mark.django_db(transaction=True)
def test_a_running_import_stops_on_request_and_nothing_is_left(client: Client) -> None:
    """It is stopped while it holds SQLite's only write lock, and the page still answers."""
    upload = send(client, lines(*(line(number) for number in range(6000))))
    uploads.start(upload=upload, enqueue=lambda pk: None)
    worker = threading.Thread(target=lambda: (uploads.execute(upload), connections.close_all()))
    worker.start()
    folder = files.folder_of(upload)
    wait_until(lambda: folder.read_progress()[0] > 0)
    assert client.post(f"{URL}{upload.pk}/stop/").status_code == 302
    assert "Stopping…" in client.get(f"{URL}{upload.pk}/progress/").content.decode()
    worker.join()
    upload.refresh_from_db()
    assert (upload.state, Prompt.objects.count()) == (State.STOPPED, 0)


@pytest.fixture
def running(client: Client) -> Upload:
    upload = send(client, lines(line(1)))
    uploads.start(upload=upload, enqueue=lambda pk: None)
    long_ago = timezone.now() - 2 * Upload.LOST_AFTER
    Upload.objects.update(state=State.RUNNING, heartbeat_at=long_ago)
    upload.refresh_from_db()
    return upload


def test_an_import_whose_worker_was_killed_says_so(client: Client, running: Upload) -> None:
    page = client.get(f"{URL}{running.pk}/progress/").content.decode()
    assert "The task worker stopped responding. Nothing was imported." in page
    assert "Import again" in page


def test_an_import_that_is_at_it_is_not_taken_for_lost(client: Client, running: Upload) -> None:
    running.total, running.done = 200, 50
    with files.beating(running):
        page = page_of(client, running)
    assert "Checking and importing" in page
    assert 'max="200" value="50"' in page


def test_nothing_comes_of_an_import_that_was_given_up(client: Client, running: Upload) -> None:
    """A worker that was suspended must not finish an import that the page calls lost."""
    with files.beating(running) as advance:
        Upload.objects.update(state=State.FAILED, reason="Gone.", finished_at=timezone.now())
        with pytest.raises(jobs.StoppedError):
            uploads.import_file(running, advance)
    assert not running.project.prompts.exists()
