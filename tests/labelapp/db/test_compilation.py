"""What PostgreSQL is told at the start of a connection."""

import pytest
from django.db import connection

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def test_postgresql_does_not_compile_the_queries_of_pages() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite compiles nothing")
    with connection.cursor() as cursor:
        cursor.execute("SHOW jit")
        assert cursor.fetchone() == ("off",)
