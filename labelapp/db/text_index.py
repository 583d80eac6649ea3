"""Make the index that finds a text in prompts and responses, and keep it in step.

PostgreSQL indexes expressions by pg_trgm. SQLite has a table of FTS5 with trigrams beside each
table, which triggers keep in step; Django drops triggers when it makes a table anew, so they are
checked after every migration. Where a database offers neither, searches read all texts.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.core import checks
from django.db import DEFAULT_DB_ALIAS, DatabaseError, connection, connections, transaction

logger = logging.getLogger("labelapp.search")

NO_INDEX = checks.Warning(
    "Searches read the text of every prompt, because the database has no trigram index.",
    hint="On PostgreSQL, have an administrator run CREATE EXTENSION pg_trgm, then run manage.py "
    "migrate. SQLite needs version 3.34 or newer with FTS5.",
    id="labelapp.W001",
)
PROMPT_TEXT = "labelapp_prompttext"
RESPONSE_TEXT = "labelapp_responsetext"


@dataclass(frozen=True)
class Source:
    """A table whose texts are indexed, with the expressions to index, of a row named `{row}`."""

    index: str
    table: str
    columns: dict[str, str]  # by the columns that they are made from
    names: Sequence[str]


SQLITE = (
    Source(
        PROMPT_TEXT,
        "labelapp_prompt",
        {
            "messages": "(SELECT group_concat(json_extract(value, '$.content'), char(10))"
            " FROM json_each({row}.messages))",
            "external_id": "{row}.external_id",
        },
        ("contents", "external_id"),
    ),
    Source(RESPONSE_TEXT, "labelapp_response", {"text": "{row}.text"}, ("text",)),
)
CONTENTS = "jsonb_path_query_array({messages}, '$[*].content')::text"
"""The contents of a prompt's messages, as PostgreSQL indexes them: a JSON list."""
POSTGRESQL = {
    PROMPT_TEXT: "labelapp_prompt USING gin "
    f"(upper({CONTENTS.format(messages='messages')}) gin_trgm_ops, "
    "upper(external_id::text) gin_trgm_ops)",
    RESPONSE_TEXT: "labelapp_response USING gin (upper(text) gin_trgm_ops)",
}


def ensure(using: str = DEFAULT_DB_ALIAS, **_: Any) -> None:
    """Make what is missing of the index, from the texts that are there."""
    if using != DEFAULT_DB_ALIAS:
        return
    try:
        if connection.vendor == "postgresql":
            ensure_postgresql()
        else:
            ensure_sqlite()
    except DatabaseError as error:
        logger.warning("%s (%s)", NO_INDEX.msg, str(error).strip().partition("\n")[0])
    has_index.cache_clear()


def ensure_postgresql() -> None:
    """Create the indexes while others read and write; one that a killed process left is redone."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname, indisvalid FROM pg_index JOIN pg_class ON oid = indexrelid "
            "WHERE relname = ANY(%s) AND pg_table_is_visible(oid)",
            [list(POSTGRESQL)],
        )
        valid = dict(cursor.fetchall())
        missing = [name for name in POSTGRESQL if not valid.get(name)]
        if not missing:
            return
        cursor.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
        online = "" if connection.in_atomic_block else "CONCURRENTLY"
        for name in missing:
            if name in valid:
                cursor.execute(f"DROP INDEX {online} {name}")
            cursor.execute(f"CREATE INDEX {online} {name} ON {POSTGRESQL[name]}")


def ensure_sqlite() -> None:
    """Create each table of FTS5 with its triggers, and fill it, in one transaction."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger' OR name IN (%s, %s)",
            [PROMPT_TEXT, RESPONSE_TEXT],
        )
        known = {name for (name,) in cursor.fetchall()}
    for source in SQLITE:
        triggers = triggers_of(source)
        if source.index in known and triggers.keys() <= known:
            continue
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"DROP TABLE IF EXISTS {source.index}")
            for name in triggers:
                cursor.execute(f"DROP TRIGGER IF EXISTS {name}")
            cursor.execute(
                f"CREATE VIRTUAL TABLE {source.index} USING fts5({', '.join(source.names)}, "
                "content='', columnsize=0, tokenize='trigram')"
            )
            cursor.execute(
                f"INSERT INTO {source.index} (rowid, {', '.join(source.names)}) "  # noqa: S608
                f"SELECT id, {values(source, source.table)} FROM {source.table} ORDER BY id"
            )
            for name, statement in triggers.items():
                cursor.execute(f"CREATE TRIGGER {name} {statement}")


def values(source: Source, row: str) -> str:
    return ", ".join(expression.format(row=row) for expression in source.columns.values())


def triggers_of(source: Source) -> dict[str, str]:
    """Return the statements of the triggers by their names."""
    index, table, names = source.index, source.table, ", ".join(source.names)
    add = f"INSERT INTO {index} (rowid, {names}) VALUES (new.id, {values(source, 'new')});"  # noqa: S608
    remove = (
        f"INSERT INTO {index} ({index}, rowid, {names}) "  # noqa: S608 - ours
        f"VALUES ('delete', old.id, {values(source, 'old')});"
    )
    changed = f"AFTER UPDATE OF {', '.join(source.columns)} ON {table}"
    return {
        f"{index}_insert": f"AFTER INSERT ON {table} BEGIN {add} END",
        f"{index}_delete": f"AFTER DELETE ON {table} BEGIN {remove} END",
        f"{index}_update": f"{changed} BEGIN {remove} {add} END",
    }


@cache
def has_index() -> bool:
    """Return whether the database has the index; looked up once in a process."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [PROMPT_TEXT])
        else:
            cursor.execute("SELECT count(*) FROM sqlite_master WHERE name = %s", [PROMPT_TEXT])
        return bool(cursor.fetchone()[0])


def check_index(databases: Sequence[str] | None = None, **_: Any) -> list[checks.CheckMessage]:
    """Warn where searches have no index; `manage.py check --database default` runs this."""
    if DEFAULT_DB_ALIAS not in (databases or ()):
        return []
    tables = connections[DEFAULT_DB_ALIAS].introspection.table_names()
    return [NO_INDEX] if "labelapp_prompt" in tables and not has_index() else []
