"""The environment variables of a helper process."""

import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from django.db import connection

from training.child_process import for_child


def environment() -> dict[str, str]:
    """Return the environment variables of a helper process, which ends with this process."""
    # On a machine that also serves the pages, compute threads that spin while they wait make
    # training several times slower. Sleeping costs almost nothing.
    passive = {"OMP_WAIT_POLICY": "PASSIVE"}
    # Other users of the machine can read arguments, but not the environment with the password.
    url = database_url(connection.settings_dict)
    return for_child(passive | os.environ | {"DATABASE_URL": url})


def database_url(database: Mapping[str, Any]) -> str:
    """Return the settings of a database connection as a URL for another process."""
    name = str(database["NAME"])
    if database["ENGINE"].endswith("sqlite3"):
        return f"sqlite:///{quote(os.path.abspath(name))}"
    user = quote(str(database["USER"] or ""), safe="")
    password = quote(str(database["PASSWORD"] or ""), safe="")
    login = f"{user}:{password}@" if password else f"{user}@" if user else ""
    host, port = str(database["HOST"] or ""), str(database["PORT"] or "")
    all_options = database.get("OPTIONS", {}).items()
    # prepare_threshold is an option of psycopg, not of the URL.
    options = {k: v for k, v in all_options if type(v) in (str, int) and k != "prepare_threshold"}
    if host.startswith("/"):  # the folder of a socket
        options["host"], host = host, ""
    query = f"?{urlencode(options)}" if options else ""
    return f"postgresql://{login}{host}{f':{port}' if port else ''}/{quote(name, safe='')}{query}"
