"""Turn off PostgreSQL's compilation of queries (JIT), which takes longer than those of pages.

PostgreSQL compiles a query that would be expensive if all of it were read. Pages stop at the first
rows of a search, and compiling alone takes a tenth of a second.
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
