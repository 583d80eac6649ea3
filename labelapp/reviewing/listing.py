"""The list of a run's prompts: its length, its sources, and the places of prompts in it."""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

from django.db.models import Q, QuerySet

from labelapp.db.cache import cached
from labelapp.models import PromptAgreement, Response, TrainingRun
from labelapp.reviewing.filters import Filter, Order, filtered

MOST_SOURCES = 200
ROWS_PER_PROMPT = 20  # that a filter reads: its responses, rankings and texts


@dataclass(frozen=True)
class Place:
    """The place of a prompt in a filtered list, and its neighbours, by primary key."""

    number: int  # from 1
    of: int
    before: int | None
    after: int | None


def count_all(run: TrainingRun) -> int:
    """Return the number of prompts that a run scored."""
    prompts = PromptAgreement.objects.here(run)
    return cached(f"review-{run.pk}", prompts.count, lambda rows: rows).value


def count(run: TrainingRun, chosen: Filter, total: int) -> int:
    """Return the number of prompts that a filter shows, of `total` prompts."""
    if not chosen.is_narrowed:
        return total
    return cached_for(run, "count", chosen, filtered(run, chosen).count, total)


def cached_for(
    run: TrainingRun, name: str, chosen: Filter, find: Callable[[], int], total: int
) -> int:
    """Return the result of `find`, cached for a minute if a run has some thousand prompts."""
    key = sha256(chosen.query(run).encode()).hexdigest()
    return cached(f"review-{name}-{key}", find, lambda _: total * ROWS_PER_PROMPT).value


def sources(run: TrainingRun, total: int) -> list[str]:
    """Return the sources of the responses that a run scored, by name."""
    found = Response.objects.filter(scores__run=run).exclude(source="").order_by("source")
    names = found.values_list("source", flat=True).distinct()[:MOST_SOURCES]
    rows = total * ROWS_PER_PROMPT
    return cached(f"review-sources-{run.pk}", lambda: list(names), lambda _: rows).value


def place(run: TrainingRun, chosen: Filter, prompt: int) -> Place | None:
    """Return the place of a prompt in the list, or None if the filter does not show it."""
    prompts = filtered(run, chosen)
    row = prompts.filter(prompt=prompt).first()
    if row is None:
        return None
    total = count_all(run)
    order = chosen.order
    earlier = prompts.filter(beyond(row, reverse(order)))
    later = prompts.filter(beyond(row, order))
    number = cached_for(run, f"place-{prompt}", chosen, earlier.count, total) + 1
    return Place(
        number=number,
        of=max(number, count(run, chosen, total)),
        before=first(earlier.order_by(*reverse(order))),
        after=first(later),
    )


def first(prompts: QuerySet[PromptAgreement]) -> int | None:
    """Return the first prompt of a list, or None if it is empty."""
    return prompts.values_list("prompt_id", flat=True).first()


def reverse(order: Order) -> Order:
    """Return the order that begins with the last row."""
    return tuple(name[1:] if name.startswith("-") else f"-{name}" for name in order)


def beyond(row: PromptAgreement, order: Order) -> Q:
    """Return the rows that come after one in an order of fields.

    The condition on the first field alone lets an index that begins with it find them.
    """
    found, equal = Q(), Q()
    for name in order:
        field = name.removeprefix("-")
        value = getattr(row, field)
        found |= equal & Q(**{f"{field}__{'lt' if name.startswith('-') else 'gt'}": value})
        equal &= Q(**{field: value})
    field = order[0].removeprefix("-")
    bound = "lte" if order[0].startswith("-") else "gte"
    return Q(**{f"{field}__{bound}": getattr(row, field)}) & found
