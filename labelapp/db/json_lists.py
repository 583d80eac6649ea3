"""Look for a string in a list that a JSON column holds."""

from typing import Any

from django.db.models import BooleanField, F, Func, Value


class ListHas(Func):
    """Is true where the JSON list of a field has a string among its members.

    Django's own lookup for this, `contains`, does not work on SQLite.
    """

    output_field = BooleanField()

    def __init__(self, field: str, value: str) -> None:
        super().__init__(F(field), Value(value))

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        template = "EXISTS (SELECT 1 FROM json_each(%(expressions)s)"
        joiner = ") WHERE value = "
        return super().as_sql(compiler, connection, template=template, arg_joiner=joiner, **context)

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        template = "(%(expressions)s)"
        return super().as_sql(compiler, connection, template=template, arg_joiner=" ? ", **context)
