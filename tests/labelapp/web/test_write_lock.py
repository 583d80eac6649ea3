"""SQLite's write lock in another process's hands: readers read, and writers are told soon."""

import sqlite3
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, connection, connections
from django.db.backends.signals import connection_created

from benchmarks.installation import Answer, Connection, Installation
from labelapp.db import writer
from labelapp.models import Member, User

LABELLING = "/projects/bench/labelling/"
WRITERS = 100  # more than the threads of the web process
SERVE = f"{sys.executable} manage.py serve --bind 127.0.0.1:{{port}} --workers 1"


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the write lock of a database, as an import does."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


def test_pages_answer_and_writers_are_told_while_the_lock_is_held(tmp_path: Path) -> None:
    with Installation(tmp_path, server=SERVE) as installation:
        (session,) = installation.fill(prompts=4, labellers=1)
        installation.start()
        port = installation.port

        def ask(method: str, path: str, data: dict[str, Any] | None = None) -> Answer:
            connection = Connection(port, session, timeout=300)
            try:
                return connection.ask(method, path, data)
            finally:
                connection.drop()

        page = ask("GET", LABELLING)
        form = {"assignment": page.between(b'name="assignment" value="', b'"')}
        form |= {"key": page.between(b'name="key" value="', b'"')}
        form |= {f"rank-{letter}": place for place, letter in enumerate("ABCDEF", start=1)}
        with ThreadPoolExecutor(WRITERS) as pool:
            with locked(tmp_path / "podium.sqlite3"):
                submits = [pool.submit(ask, "POST", LABELLING, form) for _ in range(WRITERS)]
                for path in (LABELLING, "/projects/bench/", "/", "/sign-in/"):
                    assert ask("GET", path).status in (200, 302)
                answers = [submit.result() for submit in submits]
            assert {answer.status for answer in answers} == {503}
            assert all(b"Podium is busy" in answer.body for answer in answers)
        assert installation.database().rows("SELECT count(*) FROM labelapp_ranking") == [(0,)]
        assert ask("POST", LABELLING, form).status == 200
        assert installation.database().rows("SELECT count(*) FROM labelapp_ranking") == [(1,)]


@pytest.fixture
def one_place(on_postgresql: bool) -> Iterator[None]:
    """Let one thread of this process wait for the lock, and for a tenth of a second."""
    if on_postgresql:
        pytest.skip("PostgreSQL has as many writers as there are")
    seconds, timeout = writer.WAIT_SECONDS, connection.settings_dict["OPTIONS"]["timeout"]
    writer.wait_briefly(0.1, most=1)
    yield
    connection_created.disconnect(writer.count_waits)
    writer.WAIT_SECONDS, writer.places = seconds, None
    connections.settings["default"]["OPTIONS"]["timeout"] = timeout


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("one_place")
def test_a_thread_that_finds_no_place_is_told_at_once(labeller: Member) -> None:
    found: list[str] = []

    def write() -> None:
        try:
            User.objects.update(first_name="Ann")
        except OperationalError as error:
            found.append(str(error))
        finally:
            connections.close_all()

    assert writer.places is not None
    with writer.places.taken():
        thread = threading.Thread(target=write)
        thread.start()
        thread.join()
    assert found == ["database is locked"]
    thread = threading.Thread(target=write)
    thread.start()
    thread.join()
    assert User.objects.get().first_name == "Ann"


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("one_place")
def test_a_wait_in_line_and_a_wait_for_the_lock_are_one_wait(labeller: Member) -> None:
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout = 5000")
        with writer.within(-1.0):
            assert cursor.execute("PRAGMA busy_timeout").fetchone() == (0,)
        assert cursor.execute("PRAGMA busy_timeout").fetchone() == (5000,)
