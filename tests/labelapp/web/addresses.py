"""Every address of the URL configuration, with values for its parts."""

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from django.urls import URLPattern, get_resolver, reverse
from django.urls.converters import SlugConverter, StringConverter, UUIDConverter


@dataclass(frozen=True)
class Address:
    """An address by its name in the URL configuration."""

    name: str
    route: str
    parts: Mapping[str, object]  # what each part of the address is: the class of its converter

    def url(self, **values: object) -> str:
        """The address, with an example for each part that is not given."""
        return reverse(self.name, kwargs={part: self.example(part) for part in self.parts} | values)

    def example(self, part: str) -> object:
        converter = self.parts[part]
        if isinstance(converter, SlugConverter):
            return "de" if part == "language" else "kitchen"
        if isinstance(converter, UUIDConverter):
            return uuid.UUID(int=1)
        return "1.x" if isinstance(converter, StringConverter) else 987_654_321

    def __str__(self) -> str:
        return self.name


def patterns() -> Iterator[URLPattern]:
    for pattern in get_resolver().url_patterns:
        if isinstance(pattern, URLPattern) and pattern.name:
            yield pattern


def addresses() -> list[Address]:
    """Return every address of Podium that has a name; those of Django's admin site have none."""
    return [
        Address(pattern.name or "", str(pattern.pattern), pattern.pattern.converters)
        for pattern in patterns()
    ]
