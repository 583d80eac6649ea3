"""Figures of very large projects, kept for a minute.

To count a million rows takes longer than a page may. Where a figure comes to many rows it is kept,
in each process of the web server, and a page says so; else it is counted when it is asked for.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from django.core.cache import cache
from django.utils import timezone

SECONDS = 60
LARGE = 100_000  # rows: fewer are counted within some tens of milliseconds

Found = TypeVar("Found")


@dataclass(frozen=True)
class Kept(Generic[Found]):
    found: Found
    counted_at: datetime | None  # None: just now


def kept(name: str, count: Callable[[], Found], rows: Callable[[Found], int]) -> Kept[Found]:
    """What `count` finds, or found less than a minute ago where that came to many `rows`."""
    known: Kept[Found] | None = cache.get(name)
    if known is not None:
        return known
    now = timezone.now()
    found = count()
    if rows(found) > LARGE:
        cache.set(name, Kept(found, now), SECONDS)
    return Kept(found, None)


def kept_each(
    name: str, keys: Iterable[int], count: Callable[[list[int]], Mapping[int, int]]
) -> dict[int, int]:
    """Numbers of rows by key; those of many rows are not asked for again within a minute."""
    names = {f"{name}-{key}": key for key in keys}
    known: dict[int, int] = {names[n]: rows for n, rows in cache.get_many(names).items()}
    unknown = [key for key in names.values() if key not in known]
    counted = count(unknown) if unknown else {}
    many = {f"{name}-{key}": rows for key, rows in counted.items() if rows > LARGE}
    cache.set_many(many, SECONDS)
    return {**known, **counted}
