"""Sessions: they end when nobody has used them for a while, and expired ones are deleted."""

import io
import time
from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_tasks_db.models import DBTaskResult
from pytest_django.fixtures import Settings

from labelapp.models import Member, SignInFailures, User
from labelapp.web.sessions import USED_AT
from tests.conftest import PASSWORD, sign_in

HOUR = 3600


@pytest.fixture
def client(settings: Settings, labeller: Member) -> Client:
    """A browser in which the labeller has signed in by name and password."""
    settings.SESSION_IDLE_SECONDS = 10 * HOUR
    browser = Client()
    browser.post("/sign-in/", {"username": "labeller", "password": PASSWORD})
    return browser


def away(browser: Client, hours: float) -> None:
    """Nobody uses the browser for some hours."""
    session = browser.session
    session[USED_AT] -= int(hours * HOUR)
    session.save()


def opens(browser: Client, **headers: str) -> bool:
    return browser.get("/projects/kitchen/", **headers).status_code == 200


def test_who_was_away_for_too_long_signs_in_again(client: Client) -> None:
    away(client, 9)
    assert opens(client)
    away(client, 9)  # since the last use
    assert opens(client)
    away(client, 10.1)
    assert client.get("/projects/kitchen/")["Location"] == "/sign-in/?next=/projects/kitchen/"
    assert not Session.objects.exists()


def test_a_page_that_follows_a_job_by_itself_is_no_use(client: Client) -> None:
    for _ in range(2):
        away(client, 6)
        signed_in = opens(client, HTTP_HX_REQUEST="true")
    assert not signed_in


def test_the_last_use_is_not_stored_with_every_page(client: Client) -> None:
    opens(client)
    with CaptureQueriesContext(connection) as queries:
        assert opens(client)
    assert not [query for query in queries if "UPDATE" in query["sql"]]


def test_without_a_limit_sessions_last_as_before(client: Client, settings: Settings) -> None:
    settings.SESSION_IDLE_SECONDS = 0
    away(client, 13 * 24)
    assert opens(client)


def test_a_session_of_an_earlier_version_counts_from_now_on(
    client: Client, labeller: Member
) -> None:
    session = client.session
    del session[USED_AT]
    session.save()
    User.objects.update(last_login=timezone.now() - timedelta(days=9))
    assert opens(client)
    assert time.time() - client.session[USED_AT] < HOUR
    away(client, 11)
    assert not opens(client)


def test_cleaning_up_deletes_what_has_expired_and_nothing_else(labeller: Member) -> None:
    kept, expired = sign_in(labeller), sign_in(labeller)
    old = timezone.now() - timedelta(days=30)
    Session.objects.filter(pk=expired.session.session_key).update(expire_date=old)
    for key, last_at in (("old", old), ("new", timezone.now())):
        SignInFailures.objects.create(key=key, count=1, last_at=last_at)
    common = {
        "args_kwargs": {"args": [], "kwargs": {}},
        "task_path": "x",
        "backend_name": "default",
    }
    for status, finished in (("SUCCESSFUL", old), ("SUCCESSFUL", timezone.now()), ("READY", None)):
        DBTaskResult.objects.create(
            status=status, finished_at=finished, queue_name="training", run_after=old, **common
        )
    call_command("clean_up", stdout=io.StringIO())
    assert kept.get("/").status_code == 200
    assert Session.objects.count() == 1
    assert SignInFailures.objects.get().key == "new"
    assert sorted(DBTaskResult.objects.values_list("status", flat=True)) == ["READY", "SUCCESSFUL"]
