"""Turn off PostgreSQL's compilation of queries (JIT), which takes longer than those of pages.

PostgreSQL compiles a query that it believes to be expensive. It believes so of every search, because
it does not know that a page stops at the first matches, and compiling takes a tenth of a second.
"""

from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper


def turn_off(connection: BaseDatabaseWrapper, **_: Any) -> None:
    """Have a new connection run queries as they are.

    By a statement: connection poolers refuse this setting among the options of a connection.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET jit = off")
