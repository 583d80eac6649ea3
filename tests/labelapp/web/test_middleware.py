"""Middleware: what a labeller is told when the database is busy for long."""

import sqlite3

import pytest
from django.db import connection

from labelapp.labelling import assignments
from labelapp.models import Member, Ranking
from tests.conftest import AddPrompt, sign_in

URL = "/projects/kitchen/labelling/"


@pytest.mark.django_db(transaction=True)
def test_a_busy_database_is_said_in_words_and_an_open_task_is_still_shown(
    add_prompt: AddPrompt, labeller: Member, on_postgresql: bool
) -> None:
    if on_postgresql:  # where nobody waits for another's import
        return
    add_prompt()
    assignment = assignments.current_assignment(labeller)
    assert assignment is not None
    client = sign_in(labeller)
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout = 200")
    writer = sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    try:
        assert client.get(URL).status_code == 200
        ranks = {f"rank-{letter}": place for place, letter in enumerate("ABCD", start=1)}
        response = client.post(URL, {"assignment": assignment.token, **ranks})
        assert response.status_code == 503
        assert "Podium is busy" in response.content.decode()
    finally:
        writer.execute("ROLLBACK")
        writer.close()
    assert not Ranking.objects.exists()
    assert client.post(URL, {"assignment": assignment.token, **ranks}).status_code == 302
    assert Ranking.objects.count() == 1
