"""The environment that a helper process starts with."""

import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from django.db import connection


def environment() -> dict[str, str]:
    """What a training process gets of the environment."""
    # On a machine that does other work too (it serves the pages), a compute thread that spins while
    # it waits for another makes training several times slower; sleeping costs almost nothing.
    polite = {"OMP_WAIT_POLICY": "PASSIVE"}
    # The database's password goes this way because other users cannot read it.
    return polite | os.environ | {"DATABASE_URL": database_url(connection.settings_dict)}


def database_url(database: Mapping[str, Any]) -> str:
    """A database of Django's, as a URL for another process. Takes a connection's settings."""
    name = str(database["NAME"])
    if database["ENGINE"].endswith("sqlite3"):
        return f"sqlite:///{quote(os.path.abspath(name))}"
    user = quote(str(database["USER"] or ""), safe="")
    password = quote(str(database["PASSWORD"] or ""), safe="")
    login = f"{user}:{password}@" if password else f"{user}@" if user else ""
    host, port = str(database["HOST"] or ""), str(database["PORT"] or "")
    given = database.get("OPTIONS", {}).items()
    # How the pages prepare statements is Django's own affair, and no part of a URL.
    options = {k: v for k, v in given if type(v) in (str, int) and k != "prepare_threshold"}
    if host.startswith("/"):  # a socket's folder
        options["host"], host = host, ""
    query = f"?{urlencode(options)}" if options else ""
    return f"postgresql://{login}{host}{f':{port}' if port else ''}/{quote(name, safe='')}{query}"
