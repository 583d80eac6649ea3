"""Orders of the list of prompts, which is read by keyset in ranges of one index each.

An order has two parts where it can: the prompts that have something to be sorted by, and the rest
in the order of import. So a page never sorts a million prompts of which few have a value.
"""

from dataclasses import dataclass
from typing import Any

from django.db.models import (
    Count,
    Exists,
    F,
    FilteredRelation,
    Func,
    IntegerField,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    TextField,
    Value,
)
from django.db.models.functions import Coalesce

from labelapp.models import Assignment, Origin, Project, Prompt
from labelapp.projects.progress import HELD
from labelapp.projects.prompt_filters import METADATA, PromptFilter

# Prompts of a project in which a key of the metadata sorts: more would take too long without an
# index for each key.
MOST_BY_METADATA = 20_000


class MetadataValue(Func):
    """The value of a key of the metadata, in the order of the database: numbers, then texts."""

    output_field = TextField()

    def __init__(self, key: str) -> None:
        super().__init__(F("metadata"))
        self.key = key

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        sql, params = compiler.compile(self.source_expressions[0])
        return f"(SELECT value FROM json_each({sql}) WHERE key = %s)", (*params, self.key)  # noqa: S608

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        sql, params = compiler.compile(self.source_expressions[0])
        return f"NULLIF({sql} -> %s, 'null'::jsonb)", (*params, self.key)


@dataclass(frozen=True)
class Parts:
    """The prompts that have a value to be sorted by, annotated as `key`, and the rest."""

    some: QuerySet[Prompt]
    rest: QuerySet[Prompt] | None = None
    of_rest: float = 0  # the key of the rest


def parts_of(prompts: QuerySet[Prompt], column: str, project: Project) -> Parts:
    """Return prompts in the parts of which an order by a column consists."""
    if column == "disagreement":
        measured = prompts.filter(disagreement__project=project)
        rest = prompts.filter(disagreement=None)
        share = F("disagreement__share")
        return Parts(measured.annotate(key=share), rest.annotate(key=Value(-1.0)), -1.0)
    if column in ("progress", "skips"):
        counted = HELD if column == "progress" else Q(skipped_at__isnull=False)
        rows = Assignment.objects.filter(counted)
        ours = rows.filter(member__project=project).values("prompt")
        some = prompts.filter(pk__in=ours)
        # What is held is little and has an index. A lookup by prompt would read every assignment.
        found = (
            Q(pk__in=ours) if column == "progress" else Exists(rows.filter(prompt=OuterRef("pk")))
        )
        rest = prompts.filter(~found)
        return Parts(some.annotate(key=number_of(rows)), rest.annotate(key=Value(0)))
    if column.startswith(METADATA):
        valued = prompts.annotate(key=MetadataValue(column.removeprefix(METADATA)))
        return Parts(valued.filter(key__isnull=False), valued.filter(key__isnull=True))
    if column == "rankings":
        return Parts(with_rankings(prompts))
    keys = {"prompt": F("pk"), "wanted": F("rankings_wanted"), "priority": F("priority")}
    return Parts(prompts.annotate(key=keys[column]))


def with_rankings(prompts: QuerySet[Prompt]) -> QuerySet[Any, Any]:
    """Return prompts with their number of rankings by labellers as `key`.

    All are counted at once, from the index of those rankings: a subquery for each prompt takes
    several times as long.
    """
    by_labellers = Q(rankings__is_current=True) & ~Q(rankings__origin=Origin.ADJUDICATED)
    counted = prompts.alias(by_labellers=FilteredRelation("rankings", condition=by_labellers))
    return counted.values("pk").annotate(key=Count("by_labellers__prompt"))


def number_of(rows: QuerySet[Any, Any]) -> Coalesce:
    """Return the number of rows that belong to the prompt of the outer query."""
    counted = rows.filter(prompt=OuterRef("pk")).order_by().values("prompt")
    return Coalesce(
        Subquery(counted.annotate(n=Count("pk")).values("n"), output_field=IntegerField()), 0
    )


def order_of(chosen: PromptFilter) -> tuple[str, bool]:
    """Return the column by which a filter sorts, and whether the highest come first."""
    if chosen.sort:
        return chosen.sort.removeprefix("-"), chosen.sort.startswith("-")
    return ("priority", True) if chosen.show == "waiting" else ("prompt", False)


def ranges_after(
    prompts: QuerySet[Prompt], chosen: PromptFilter, after: str, project: Project
) -> list[Any]:
    """Return the prompts after a cursor, as ranges to be read one after the other.

    An invalid cursor starts at the beginning.
    """
    column, backwards = order_of(chosen)
    parts = parts_of(prompts, column, project)
    some = parts.some.order_by("-key" if backwards else "key", "pk")
    rest = [] if parts.rest is None else [parts.rest.order_by("pk")]
    # What has no value comes last in both orders, and what has none of a number first or last.
    rest_last = backwards or column == "disagreement" or column.startswith(METADATA)
    place = read_cursor(after, column)
    if place is None:
        return [some, *rest] if rest_last else [*rest, some]
    value, pk = place
    if column == "prompt":
        return [some.filter(**{"pk__lt" if backwards else "pk__gt": pk})]
    if rest and value == parts.of_rest:
        left = [one.filter(pk__gt=pk) for one in rest]
        return left if rest_last else [*left, some]
    if column.startswith(METADATA):
        value = Subquery(parts.some.filter(pk=pk).order_by().values("key"))  # type: ignore[misc]
    beyond = "key__lt" if backwards else "key__gt"
    left = [some.filter(Q(key=value), pk__gt=pk), some.filter(**{beyond: value})]
    return [*left, *rest] if rest_last else left


def read_cursor(after: str, column: str) -> tuple[Any, int] | None:
    """Return the key and the prompt that a cursor names, or None if it is invalid."""
    text, _, number = after.rpartition("_")
    try:
        value, pk = float(text) if column == "disagreement" else int(text), int(number)
    except ValueError:
        return None
    if not -(2**63) <= value < 2**63 or not 0 <= pk < 2**63:
        return None
    return value, pk


def cursor(prompt: int, key: object, chosen: PromptFilter) -> str:
    """Return the place of a prompt with the key that ranges_after has annotated."""
    if order_of(chosen)[0].startswith(METADATA):
        return f"{int(key is not None)}_{prompt}"  # the value is looked up
    return f"{key!r}_{prompt}"


def sorts_by_metadata(project: Project) -> bool:
    """Return whether the project is small enough to be sorted by its metadata."""
    return project.prompts.order_by()[: MOST_BY_METADATA + 1].count() <= MOST_BY_METADATA
