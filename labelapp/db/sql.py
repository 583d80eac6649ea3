"""Rows of hand-written SQL as model instances, and instances as rows.

For the few statements that every submit waits for. Django's raw() and save() do the same, but look
at each model anew for every statement: three quarters of what they take.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any, TypeVar
from uuid import UUID

from django.db import connection
from django.db.models import Model

from labelapp.models import Assignment

M = TypeVar("M", bound=Model)
Convert = Callable[[Any], Any]


@cache
def columns(model: type[Model], table: str = "") -> str:
    """The model's columns in the order of its fields, as a SELECT names them.

    `table` is the name that the table has in the statement.
    """
    before = f"{table}." if table else ""
    quoted = (connection.ops.quote_name(str(field.column)) for field in model._meta.concrete_fields)
    return ", ".join(f"{before}{column}" for column in quoted)


def read(model: type[M], statement: str, values: Mapping[str, Any]) -> list[M]:
    """The instances whose columns(model) a statement selects."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return [instance(model, row) for row in cursor.fetchall()]


def instance(model: type[M], row: Sequence[Any]) -> M:
    """An instance from its columns(model)."""
    values = list(row)
    for place, converters in conversions(model, connection.vendor):
        for convert in converters:
            values[place] = convert(values[place])
    made = model(*values)
    made._state.adding = False
    made._state.db = connection.alias
    return made


@cache
def conversions(model: type[Model], vendor: str) -> list[tuple[int, list[Convert]]]:
    """What this database's values need to become those of the model's fields, by place.

    As django.db.models.sql.compiler.SQLCompiler.get_converters has it.
    """
    found = []
    for place, field in enumerate(model._meta.concrete_fields):
        column = field.get_col(model._meta.db_table)
        converters = [
            *connection.ops.get_db_converters(column),
            *column.get_db_converters(connection),
        ]
        if converters:
            found.append((place, [bound(convert, column) for convert in converters]))
    return found


def bound(convert: Callable[..., Any], column: Any) -> Convert:
    return lambda value: convert(value, column, connection)


def insert(made: Model) -> None:
    """Insert a new instance and give it its key. The database gives it no defaults."""
    fields = [field for field in made._meta.concrete_fields if not field.primary_key]
    row = [field.get_db_prep_save(field.pre_save(made, True), connection) for field in fields]
    statement = insertion(type(made), tuple(field.name for field in fields))
    with connection.cursor() as cursor:
        if connection.features.can_return_columns_from_insert:
            cursor.execute(f"{statement} RETURNING id", row)
            (made.pk,) = cursor.fetchone()
        else:
            cursor.execute(statement, row)
            made.pk = cursor.lastrowid
    made._state.adding = False
    made._state.db = connection.alias


def insert_few(
    model: type[Model], fields: tuple[str, ...], rows: Sequence[Sequence[str | int]]
) -> None:
    """Insert rows of plain values that need no key back, in one statement."""
    with connection.cursor() as cursor:
        values = [value for row in rows for value in row]
        cursor.execute(insertion(model, fields, len(rows)), values)


@cache
def insertion(model: type[Model], fields: tuple[str, ...], rows: int = 1) -> str:
    """The statement that inserts so many rows of these fields."""
    quote = connection.ops.quote_name
    names = ", ".join(quote(str(model._meta.get_field(name).column)) for name in fields)  # type: ignore[union-attr]
    row = f"({', '.join(['%s'] * len(fields))})"
    table = quote(model._meta.db_table)
    return f"INSERT INTO {table} ({names}) VALUES {', '.join([row] * rows)}"  # noqa: S608 - ours


def first(statement: str, values: Mapping[str, Any]) -> tuple[Any, ...] | None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        row: tuple[Any, ...] | None = cursor.fetchone()
    return row


def change(statement: str, values: Mapping[str, Any]) -> int:
    """How many rows it changed."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return int(cursor.rowcount)


def locking(statement: str, lock: str = "FOR UPDATE") -> str:
    """SQLite has one lock for all, which the transaction holds."""
    return f"{statement} {lock}" if connection.features.has_select_for_update else statement


def token_value(token: UUID) -> Any:
    """A token as the database holds it."""
    return Assignment._meta.get_field("token").get_db_prep_value(token, connection)


def moment_value(moment: datetime) -> Any:
    return connection.ops.adapt_datetimefield_value(moment)
