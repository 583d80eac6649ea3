"""Open the web application's database for reading."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.pool import NullPool

from training.errors import UserError
from training.sentences import quoted, sentence


def open_engine(database_url: str) -> Engine:
    """Create an engine from a URL of Django's settings, without connecting. Raises UserError."""
    scheme = database_url.partition("://")[0]
    if scheme == "sqlite":
        return _sqlite_engine(database_url)
    if scheme in ("postgres", "postgresql"):
        try:
            return create_engine(
                postgresql_url(database_url),
                poolclass=NullPool,
                isolation_level="REPEATABLE READ",
            )
        except (ArgumentError, ValueError) as error:
            raise UserError(
                sentence("database URL cannot be read: %(problem)s", problem=quoted(error))
            ) from error
    raise UserError(
        sentence(
            "database URL must begin with sqlite://, postgres:// or postgresql://, got %(scheme)s",
            scheme=repr(scheme),
        )
    )


def _sqlite_engine(database_url: str) -> Engine:
    """Create a read-only engine from sqlite:////absolute/path or sqlite:///relative/path."""
    try:
        path = Path(unquote(urlsplit(database_url).path)[1:])
    except ValueError as error:
        raise UserError(
            sentence("database URL cannot be read: %(problem)s", problem=quoted(error))
        ) from error
    if not path.is_file():
        raise UserError(sentence("database file %(path)s does not exist", path=str(path)))
    uri = f"file:{quote(str(path.absolute()))}?mode=ro"
    return create_engine(
        "sqlite://",
        creator=lambda: sqlite3.connect(uri, uri=True, timeout=30),
        poolclass=NullPool,
    )


def postgresql_url(database_url: str) -> str:
    """Return the URL for SQLAlchemy with psycopg 3, a socket folder moved to its query."""
    rest = database_url.partition("://")[2]
    parts = urlsplit(database_url)
    login, _, place = parts.netloc.rpartition("@")
    if place.lower().startswith("%2f"):
        query = f"{parts.query}&" if parts.query else ""
        rest = f"{login}@{parts.path}?{query}host={unquote(place)}"
    return f"postgresql+psycopg://{rest}"


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Open a read transaction, in which all queries see the same state.

    An error of the database becomes a UserError.
    """
    try:
        with engine.connect() as connection:
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("BEGIN")
            yield connection
    except DBAPIError as error:
        reason = str(error.orig).strip().splitlines()[0]
        raise UserError(
            sentence("the database cannot be read: %(problem)s", problem=quoted(reason))
        ) from error
