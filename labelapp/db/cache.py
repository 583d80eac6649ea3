"""Cache the figures of very large projects for a minute.

Counting a million rows takes too long for a page. A figure over many rows is cached in each
process of the web server, and the page says so; others are counted on every request.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from django.core.cache import cache
from django.utils import timezone

SECONDS = 60
LARGE = 100_000  # rows; counting fewer takes some tens of milliseconds

Value = TypeVar("Value")


@dataclass(frozen=True)
class Cached(Generic[Value]):
    """A value and the time at which it was counted."""

    value: Value
    counted_at: datetime | None  # None: just now


def cached(name: str, count: Callable[[], Value], rows: Callable[[Value], int]) -> Cached[Value]:
    """Return the result of `count`, cached for a minute if it covers many `rows`."""
    known: Cached[Value] | None = cache.get(name)
    if known is not None:
        return known
    now = timezone.now()
    value = count()
    if rows(value) > LARGE:
        cache.set(name, Cached(value, now), SECONDS)
    return Cached(value, None)


def cached_each(
    name: str, keys: Iterable[int], count: Callable[[list[int]], Mapping[int, int]]
) -> dict[int, int]:
    """Return numbers of rows by key. Large numbers are cached for a minute."""
    names = {f"{name}-{key}": key for key in keys}
    known: dict[int, int] = {names[n]: rows for n, rows in cache.get_many(names).items()}
    unknown = [key for key in names.values() if key not in known]
    counted = count(unknown) if unknown else {}
    many = {f"{name}-{key}": rows for key, rows in counted.items() if rows > LARGE}
    cache.set_many(many, SECONDS)
    return {**known, **counted}
