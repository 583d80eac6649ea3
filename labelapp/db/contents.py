"""Search the prompts of a project by their text."""

from typing import Any

from django.db.models import Func, Q, QuerySet, TextField

from labelapp.models import Prompt


class Contents(Func):
    """The contents of a prompt's messages, joined by newlines."""

    output_field = TextField()

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        template = (
            "(SELECT group_concat(json_extract(value, '$.content'), char(10)) "
            "FROM json_each(%(expressions)s))"
        )
        return super().as_sql(compiler, connection, template=template, **context)

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        template = (
            "(SELECT string_agg(message ->> 'content', chr(10)) "
            "FROM jsonb_array_elements(%(expressions)s) AS message)"
        )
        return super().as_sql(compiler, connection, template=template, **context)


def search_prompts(prompts: QuerySet[Prompt], search: str) -> QuerySet[Prompt]:
    """Return the prompts whose messages or external id contain `search`."""
    if not search:
        return prompts
    return prompts.alias(contents=Contents("messages")).filter(
        Q(contents__icontains=search) | Q(external_id__icontains=search)
    )
