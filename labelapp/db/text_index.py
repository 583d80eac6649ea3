"""Make the index that finds a text in prompts and responses, and keep it in step.

PostgreSQL indexes expressions by pg_trgm. SQLite has a table of FTS5 with trigrams beside each
table, which triggers keep in step; Django drops triggers when it makes a table anew, so they are
checked after every migration. Where a database offers neither, searches read all texts.
"""

import logging
from collections.abc import Mapping, Sequence
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
class TextTable:
    """A table of FTS5: the statements that create and fill it, and its triggers by name."""

    create: str
    fill: str
    triggers: Mapping[str, str]


SQLITE = {
    PROMPT_TEXT: TextTable(
        create="""
            CREATE VIRTUAL TABLE labelapp_prompttext USING fts5(
                contents, external_id, content='', columnsize=0, tokenize='trigram'
            )
        """,
        fill="""
            INSERT INTO labelapp_prompttext (rowid, contents, external_id)
            SELECT id, (
                SELECT group_concat(json_extract(value, '$.content'), char(10))
                FROM json_each(labelapp_prompt.messages)
            ), external_id
            FROM labelapp_prompt ORDER BY id
        """,
        triggers={
            "labelapp_prompttext_insert": """
                CREATE TRIGGER labelapp_prompttext_insert AFTER INSERT ON labelapp_prompt BEGIN
                INSERT INTO labelapp_prompttext (rowid, contents, external_id) VALUES (new.id, (
                    SELECT group_concat(json_extract(value, '$.content'), char(10))
                    FROM json_each(new.messages)
                ), new.external_id);
                END
            """,
            "labelapp_prompttext_delete": """
                CREATE TRIGGER labelapp_prompttext_delete AFTER DELETE ON labelapp_prompt BEGIN
                INSERT INTO labelapp_prompttext
                (labelapp_prompttext, rowid, contents, external_id) VALUES ('delete', old.id, (
                    SELECT group_concat(json_extract(value, '$.content'), char(10))
                    FROM json_each(old.messages)
                ), old.external_id);
                END
            """,
            "labelapp_prompttext_update": """
                CREATE TRIGGER labelapp_prompttext_update
                AFTER UPDATE OF messages, external_id ON labelapp_prompt BEGIN
                INSERT INTO labelapp_prompttext
                (labelapp_prompttext, rowid, contents, external_id) VALUES ('delete', old.id, (
                    SELECT group_concat(json_extract(value, '$.content'), char(10))
                    FROM json_each(old.messages)
                ), old.external_id);
                INSERT INTO labelapp_prompttext (rowid, contents, external_id) VALUES (new.id, (
                    SELECT group_concat(json_extract(value, '$.content'), char(10))
                    FROM json_each(new.messages)
                ), new.external_id);
                END
            """,
        },
    ),
    RESPONSE_TEXT: TextTable(
        create="""
            CREATE VIRTUAL TABLE labelapp_responsetext USING fts5(
                text, content='', columnsize=0, tokenize='trigram'
            )
        """,
        fill="""
            INSERT INTO labelapp_responsetext (rowid, text)
            SELECT id, text FROM labelapp_response ORDER BY id
        """,
        triggers={
            "labelapp_responsetext_insert": """
                CREATE TRIGGER labelapp_responsetext_insert AFTER INSERT ON labelapp_response BEGIN
                INSERT INTO labelapp_responsetext (rowid, text) VALUES (new.id, new.text);
                END
            """,
            "labelapp_responsetext_delete": """
                CREATE TRIGGER labelapp_responsetext_delete AFTER DELETE ON labelapp_response BEGIN
                INSERT INTO labelapp_responsetext (labelapp_responsetext, rowid, text)
                VALUES ('delete', old.id, old.text);
                END
            """,
            "labelapp_responsetext_update": """
                CREATE TRIGGER labelapp_responsetext_update
                AFTER UPDATE OF text ON labelapp_response BEGIN
                INSERT INTO labelapp_responsetext (labelapp_responsetext, rowid, text)
                VALUES ('delete', old.id, old.text);
                INSERT INTO labelapp_responsetext (rowid, text) VALUES (new.id, new.text);
                END
            """,
        },
    ),
}
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
    for name, table in SQLITE.items():
        if name in known and table.triggers.keys() <= known:
            continue
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"DROP TABLE IF EXISTS {name}")
            for trigger in table.triggers:
                cursor.execute(f"DROP TRIGGER IF EXISTS {trigger}")
            for statement in (table.create, table.fill, *table.triggers.values()):
                cursor.execute(statement)


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
