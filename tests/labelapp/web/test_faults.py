"""Faults of the machine: 503 with a sentence, and one line in the log."""

import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client
from pytest_django.fixtures import Settings

from labelapp.labelling import assignments
from labelapp.models import Member, Ranking, TrainingRun
from labelapp.web import faults
from tests.conftest import AddPrompt, AddRanking, sign_in

LABELLING = "/projects/kitchen/labelling/"
RANKS = {f"rank-{letter}": place for place, letter in enumerate("ABCD", start=1)}
MAX_NOTE = 2000  # characters, of four bytes each: more than a page of the database
TRAIN = {"backbone": "transformer", "aggregation": "all", "ties": "drop", "seed": "0"}


@pytest.fixture(autouse=True)
def nothing_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faults, "logged", {})


@pytest.fixture
def sqlite_only(on_postgresql: bool) -> None:
    if on_postgresql:
        pytest.skip("the fault is brought about with SQLite")


def tolerant(member: Member) -> Client:
    """Return a client that shows the page of an error, as a browser does."""
    client = sign_in(member)
    client.raise_request_exception = False
    return client


@contextmanager
def pragma(during: str, afterwards: str) -> Iterator[None]:
    """Change a setting of this connection to SQLite, which the test's requests use as well."""
    with connection.cursor() as cursor:
        cursor.execute(f"PRAGMA {during}")
        try:
            yield
        finally:
            cursor.execute(f"PRAGMA {afterwards}")


def full() -> AbstractContextManager[None]:
    """Let the database not grow by a single page."""
    with connection.cursor() as cursor:
        cursor.execute("VACUUM")
        (pages,) = cursor.execute("PRAGMA page_count").fetchone()
    return pragma(f"max_page_count = {pages}", "max_page_count = 1073741823")


def read_only() -> AbstractContextManager[None]:
    return pragma("query_only = ON", "query_only = OFF")


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("sqlite_only")
def test_a_full_disk_is_said_at_submit_and_the_ranking_can_be_sent_again(
    add_prompt: AddPrompt, labeller: Member
) -> None:
    add_prompt()
    assignment = assignments.current_assignment(labeller)
    assert assignment is not None
    client = tolerant(labeller)
    data = {"assignment": assignment.token, "note": "😀" * MAX_NOTE, **RANKS}
    with full():
        response = client.post(LABELLING, data)
    assert response.status_code == 503
    assert response["Retry-After"].isdecimal()
    assert "disk is full" in response.content.decode()
    assert not Ranking.objects.exists()
    assert client.post(LABELLING, data).status_code == 302
    assert Ranking.objects.count() == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("sqlite_only")
def test_a_read_only_database_still_shows_pages_and_says_why_it_stores_nothing(
    add_prompt: AddPrompt, labeller: Member
) -> None:
    add_prompt()
    assignment = assignments.current_assignment(labeller)
    assert assignment is not None
    client = tolerant(labeller)
    with read_only():
        assert client.get(LABELLING).status_code == 200
        response = client.post(LABELLING, {"assignment": assignment.token, **RANKS})
    assert response.status_code == 503
    assert "read-only" in response.content.decode()


@pytest.mark.django_db(transaction=True)
def test_while_the_database_is_away_every_page_says_so_and_the_log_gets_one_line(
    labeller: Member,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    on_postgresql: bool,
) -> None:
    client = tolerant(labeller)
    away = {"PORT": "1"} if on_postgresql else {"NAME": str(tmp_path / "no" / "database")}
    connection.close()
    for name, value in away.items():
        monkeypatch.setitem(connection.settings_dict, name, value)
    with caplog.at_level(logging.ERROR):
        answers = [
            client.get("/projects/kitchen/"),
            client.get(LABELLING),
            client.post(LABELLING, RANKS),
            client.get("/"),
        ]
    monkeypatch.undo()
    connection.close()
    for response in answers:
        assert response.status_code == 503
        assert "The database cannot be reached" in response.content.decode()
        assert response["Retry-After"].isdecimal()
    lines = [record for record in caplog.records if record.name == "labelapp.web.faults"]
    assert len(lines) == 1
    assert lines[0].exc_info is None
    assert client.get("/projects/kitchen/").status_code == 200


def test_django_logs_no_traceback_for_a_fault() -> None:
    record = logging.makeLogRecord({"name": "django.request", "status_code": 503})
    other = logging.makeLogRecord({"name": "django.request", "status_code": 500})
    logger = logging.getLogger("django.request")
    assert not logger.filter(record)
    assert logger.filter(other)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("sqlite_only")
def test_a_fault_is_said_when_a_run_is_started(
    manager: Member, labeller: Member, add_prompt: AddPrompt, add_ranking: AddRanking
) -> None:
    for number in range(2):
        add_ranking(add_prompt(f"{number}?"), labeller, (1, 2, 3, 4))
    client = tolerant(manager)
    with read_only():
        response = client.post("/projects/kitchen/runs/", TRAIN)
    assert response.status_code == 503
    assert not TrainingRun.objects.exists()


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (OSError(28, "No space left on device"), faults.FULL),
        (OSError(30, "Read-only file system"), faults.READ_ONLY),
        (OSError(2, "No such file or directory"), None),
        (ValueError("no"), None),
    ],
)
def test_only_faults_of_the_machine_are_excused(
    error: Exception, fault: faults.Fault | None
) -> None:
    assert faults.fault_of(error) == fault
