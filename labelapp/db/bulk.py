"""Insert rows in bulk."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, cast

from django.db import connection
from django.db.models import DateTimeField, Field, JSONField, Model, UUIDField


def pieces(values: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    return (values[start : start + size] for start in range(0, len(values), size))


def insert_rows(model: type[Model], fields: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Insert rows of plain values without returning their keys.

    bulk_create would spend half of an import on creating model instances and their SQL.
    """
    quote = connection.ops.quote_name
    table = model._meta.db_table
    model_fields = [cast("Field[Any, Any]", model._meta.get_field(name)) for name in fields]
    columns = [str(field.get_attname_column()[1]) for field in model_fields]
    prepared = prepare(rows, model_fields)
    if not prepared:
        return
    into = f"{quote(table)} ({', '.join(map(quote, columns))})"
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            with cursor.copy(f"COPY {into} FROM STDIN") as copy:
                for row in prepared:
                    copy.write_row(row)
        else:
            values = ", ".join(["%s"] * len(columns))
            cursor.executemany(f"INSERT INTO {into} VALUES ({values})", prepared)  # noqa: S608


def prepare(
    rows: Iterable[Sequence[Any]], fields: Sequence["Field[Any, Any]"]
) -> list[Sequence[Any]]:
    """Return the rows with values that the database accepts."""
    special: dict[int, Callable[[Any], Any]] = {}
    for place, column in enumerate(fields):
        if isinstance(column, DateTimeField):
            special[place] = connection.ops.adapt_datetimefield_value
        elif isinstance(column, JSONField | UUIDField):
            special[place] = partial(column.get_db_prep_save, connection=connection)
    if not special:
        return list(rows)
    prepared: list[Sequence[Any]] = []
    for row in rows:
        values = list(row)
        for place, convert in special.items():
            values[place] = convert(values[place])
        prepared.append(values)
    return prepared
