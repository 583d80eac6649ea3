"""Search the prompts of a project by their text, and by that of their responses.

The trigram index finds what is rare in a moment, but is slow for what is in every prompt; reading
the prompts in order is the other way round, because a page stops at the first few that match. So a
search first looks through the first prompts of the project, and chooses by what it finds.
"""

import json
import re
from typing import Any

from django.db import connection
from django.db.models import Exists, Func, OuterRef, Q, QuerySet, TextField, Value
from django.db.models.functions import StrIndex, Upper
from django.db.models.lookups import GreaterThan

from labelapp.db.text_index import CONTENTS, PROMPT_TEXT, RESPONSE_TEXT, has_index
from labelapp.models import Project, Prompt, Response

TRIGRAM = 3  # characters; the index cannot find shorter texts
PROBED = 1000  # prompts that a search looks through first
COMMON = 30  # matches among these from which a search is faster without the index
EVERY = 2**31  # a limit that makes PostgreSQL plan the subquery on its own


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


class IndexedContents(Func):
    """The contents of a prompt's messages as PostgreSQL's index has them."""

    output_field = TextField()
    template = CONTENTS.format(messages="%(expressions)s")


class Matching(Func):
    """The keys of the rows whose text SQLite's index has."""

    template = "SELECT rowid FROM %(index)s WHERE %(index)s MATCH %(expressions)s"

    def __init__(self, index: str, search: str) -> None:
        phrase = search.replace('"', '""')
        super().__init__(Value(f'"{phrase}"'), index=index)


def contains(field: str, search: str) -> Q:
    """Return the condition that a field contains a text, in upper or lower case."""
    if connection.vendor == "postgresql":
        # PostgreSQL believes that LIKE finds next to nothing, and would read and sort all prompts
        # for the first ones that contain a frequent text. Of a comparison it expects more.
        return Q(GreaterThan(StrIndex(Upper(field), Upper(Value(search))), 0))
    if not search.isascii():
        return Q(**{f"{field}__iregex": re.escape(search)})  # LIKE ignores case in ASCII only
    return Q(**{f"{field}__icontains": search})


def search_prompts(prompts: QuerySet[Prompt], search: str, project: Project) -> QuerySet[Prompt]:
    """Return those prompts of the project whose messages or external id contain `search`."""
    if not search:
        return prompts
    rare = rare_matches(project, search)
    return read_through(prompts, search) if rare is None else prompts.filter(pk__in=rare)


def read_through(prompts: QuerySet[Prompt], search: str, *, responses: bool = False) -> Any:
    """Return the prompts that contain a text, found by reading them one by one."""
    found = contains("contents", search) | contains("external_id", search)
    if responses:
        written = Response.objects.filter(contains("text", search), prompt=OuterRef("pk"))
        found |= Q(Exists(written))
    return prompts.alias(contents=Contents("messages")).filter(found)


def rare_matches(project: Project, search: str, *, responses: bool = False) -> Any:
    """Return the keys of the project's prompts that contain a text, or None if that is slow.

    With `responses`, also of those with a response that contains it. None says that the prompts
    are better read one by one: the text is in many of them, they are few, or there is no index.
    """
    if len(search) < TRIGRAM or "\n" in search or not has_index():
        return None
    first = list(project.prompts.order_by("pk").values_list("pk", flat=True)[:PROBED])
    if len(first) < PROBED:
        return None
    probed = Prompt.objects.filter(pk__gte=first[0], pk__lte=first[-1], project=project)
    if read_through(probed, search, responses=responses)[:COMMON].count() == COMMON:
        return None
    found = by_index(project, search)
    if responses:
        return found.union(by_responses(project, search))
    return found


def by_index(project: Project, search: str) -> Any:
    prompts = Prompt.objects.filter(project=project).order_by()
    if connection.vendor == "sqlite":
        return prompts.filter(pk__in=Matching(PROMPT_TEXT, search)).values("pk")
    encoded = json.dumps(search, ensure_ascii=False)[1:-1]
    # In JSON a line break is \n, and its n must not be found as a letter.
    written = Q(indexed__icontains=encoded, contents__icontains=search)
    prompts = prompts.alias(indexed=IndexedContents("messages"), contents=Contents("messages"))
    return prompts.filter(written | Q(external_id__icontains=search)).values("pk")[:EVERY]


def by_responses(project: Project, search: str) -> Any:
    written = Response.objects.filter(prompt__project=project).order_by()
    if connection.vendor == "sqlite":
        return written.filter(pk__in=Matching(RESPONSE_TEXT, search)).values("prompt")
    return written.filter(text__icontains=search).values("prompt")[:EVERY]
