"""Health and readiness, as a load balancer asks for them."""

from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from pytest_django.fixtures import DjangoAssertNumQueries, Settings

from labelapp.db.locks import machine, worker_lock
from labelapp.jobs.workers import at_work
from labelapp.web import health

pytestmark = pytest.mark.django_db


@pytest.fixture
def client() -> Client:
    """A probe: not signed in, and with an address for a host."""
    return Client(headers={"host": "10.0.0.7:8000"})


def ready(client: Client) -> tuple[int, dict[str, Any]]:
    response = client.get("/readyz")
    return response.status_code, response.json()


def test_a_process_that_answers_is_healthy_also_without_a_database(
    client: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(0):
        response = client.get("/healthz")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})
    assert response["Cache-Control"] == "no-store"
    assert client.head("/healthz").status_code == 200
    assert client.post("/healthz").status_code == 405


def test_it_is_ready_with_a_worker_for_each_queue_and_then_asks_one_question(
    client: Client, django_assert_max_num_queries: Any
) -> None:
    with worker_lock("a").held(queues=["default"]):
        status, found = ready(client)
        assert status == 503
        assert found["reasons"] == ["No worker takes tasks from the queue training."]
        with worker_lock("b").held(queues=["training"]):
            assert ready(client) == (
                200,
                {
                    "status": "ok",
                    "checks": {"database": "ok", "disk": "ok", "workers": "ok"},
                    "reasons": [],
                },
            )
            with django_assert_max_num_queries(1):
                assert ready(client)[0] == 200
    with worker_lock("c").held(queues=["*"]):
        assert ready(client)[0] == 200


def test_a_worker_that_was_killed_is_none(client: Client) -> None:
    lock = worker_lock("killed")
    lock.path.parent.mkdir()
    lock.path.write_text(f'{{"host": "{machine()["host"]}", "queues": ["*"]}}')
    assert ready(client)[1]["checks"]["workers"] == "failed"


def test_a_full_disk_is_a_reason(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "RESERVED_BYTES", 2**80)
    status, found = ready(client)
    assert (status, found["checks"]["disk"]) == (503, "failed")


def test_a_folder_that_is_gone_is_a_reason_without_its_name(
    client: Client, settings: Settings, tmp_path: Path
) -> None:
    settings.DATA_DIR = tmp_path / "secret"
    status, found = ready(client)
    assert (status, found["checks"]["disk"]) == (503, "failed")
    assert "secret" not in str(found)


@pytest.mark.django_db(transaction=True)
def test_a_database_that_is_away_is_a_reason_without_its_address(
    client: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, on_postgresql: bool
) -> None:
    away = {"PORT": "1"} if on_postgresql else {"NAME": str(tmp_path / "no" / "database")}
    connection.close()
    for name, value in away.items():
        monkeypatch.setitem(connection.settings_dict, name, value)
    status, found = ready(client)
    healthy = client.get("/healthz").status_code
    monkeypatch.undo()
    connection.close()
    assert (status, healthy) == (503, 200)
    assert "The database cannot be reached." in found["reasons"]
    assert str(tmp_path) not in str(found)


@pytest.mark.django_db(transaction=True)
def test_a_missing_migration_is_a_reason(client: Client) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM django_migrations WHERE app = 'labelapp' ORDER BY id DESC")
        (last,) = cursor.fetchone()
        cursor.execute("UPDATE django_migrations SET app = 'away' WHERE id = %s", [last])
    try:
        status, found = ready(client)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("UPDATE django_migrations SET app = 'labelapp' WHERE id = %s", [last])
    assert status == 503
    assert "Migrations are missing: run manage.py migrate." in found["reasons"]
    with worker_lock("a").held(queues=["*"]):
        assert ready(client)[0] == 200


@pytest.mark.django_db(transaction=True)
def test_a_worker_at_work_counts(client: Client) -> None:
    with at_work("a", ["default", "training"]):
        assert ready(client)[0] == 200
    assert ready(client)[0] == 503
